"""The section "Write a driver" of the documentation, followed to the letter: every command of it, in its order, in an
empty directory, with an environment of the new package's own."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.api import ApiError
from cli.driver_new import write

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[3]
SECTION = (ROOT / "docs/drivers.md").read_text().split("## Write a driver")[1].split("### An engine")[0]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the sandbox's database can reach, also as root."""
    with tempfile.TemporaryDirectory(prefix="jeroboam-driver-") as path:
        yield Path(path)


def test_the_section_is_followed_to_the_letter(directory: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert len(blocks) == 3
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    for block in blocks:
        done = subprocess.run(
            ["/bin/sh", "-eux", "-c", block],
            cwd=directory,
            env={**kept, "JEROBOAM": str(ROOT), "UV_PYTHON_DOWNLOADS": "never"},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.stdout.count(" passed") == 3 or done.stdout.count("[100%]") == 3, done.stdout


def test_the_entry_points_shown_are_those_written(tmp_path: Path) -> None:
    write("harbor", tmp_path / "package")
    shown = tomllib.loads("\n".join(re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)))
    written = tomllib.loads((tmp_path / "package" / "pyproject.toml").read_text())
    assert written["project"]["entry-points"] == shown["project"]["entry-points"]
    texts = [path.read_text() for path in (tmp_path / "package").rglob("*.*")]
    assert texts and not any("example" in text.lower() for text in texts)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Harbor", "name: 'Harbor' is not"),
        ("harbor-x", "name: 'harbor-x' is not"),
        ("../up", "name: '../up' is not"),
        ("swarm", "name: a driver named swarm is installed"),
    ],
)
def test_what_cannot_be_a_name(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ApiError, match=re.escape(says)):
        write(name, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ApiError, match=r"directory: .* is not empty"):
        write("harbor", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
