"""Fetching packages as a user who may not install them, with an apt and a dpkg of the test's own."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import debian_packages

APT = """\
#!/bin/sh
echo "$@" >>{log}
case "$*" in
*download*broken*) echo "E: Unable to locate package broken" >&2; exit 100 ;;
*download*) for each; do case $each in tool*) : >"$each.deb" ;; esac; done ;;
esac
"""
DPKG = """\
#!/bin/sh
mkdir -p "$3/usr/bin" && : >"$3/usr/bin/$(basename "$2" .deb)"
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each call of apt-get is written down."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    for name, script in (("apt-get", APT.format(log=log)), ("dpkg-deb", DPKG)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian_packages, "_may_install", lambda: False)
    return log


def holds(prefix: Path) -> bool:
    return (prefix / "usr/bin/tool-of-this-test").exists()


def test_what_is_not_there_is_unpacked_once(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unpacked: list[tuple[bool, Path]] = []

    def settle(tree: Path, prefix: Path) -> None:
        unpacked.append((holds(tree) and not holds(prefix), prefix))

    def ensure() -> Path:
        return debian_packages.ensure(
            "tool", ["tool-of-this-test"], holds, needed=["tool-library"], after_unpacking=settle
        )

    prefix = ensure()
    assert prefix == debian_packages.cache_directory("tool")
    assert (prefix / "usr/bin/tool-library").exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"tool: not on this machine; unpacking Debian's tool-of-this-test under {prefix}"
    asked = log.read_text().splitlines()
    assert [call.split()[-1] for call in asked] == ["update", "tool-library"]
    assert all(str(prefix) in call for call in asked), "apt is to keep its lists there, not in the machine's places"
    assert sorted(each.name for each in prefix.iterdir()) == ["usr"], "nothing of apt's own is left behind"

    assert ensure() == prefix
    assert (unpacked, log.read_text().splitlines()) == ([(True, prefix)], asked)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_had_says_so_in_words_of_apt(log: Path) -> None:
    with pytest.raises(RuntimeError, match="Unable to locate package broken"):
        debian_packages.ensure("tool", ["tool-of-this-test", "broken"], holds)
    with pytest.raises(RuntimeError, match="what was wanted was not found in them"):
        debian_packages.ensure("other", ["tool-other"], holds)


def test_those_who_fetch_at_once_fetch_once(log: Path) -> None:
    def ensure(_: int) -> Path:
        return debian_packages.ensure("tool", ["tool-of-this-test"], holds)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ensure, range(4)))) == 1
    assert [call.split()[-1] for call in log.read_text().splitlines()] == ["update", "tool-of-this-test"]


@pytest.mark.parametrize("place", ["jeroboam", "jeroboam/tool"])
def test_a_cache_that_others_can_write_to_is_not_used(place: str, log: Path, tmp_path: Path) -> None:
    prefix = debian_packages.ensure("tool", ["tool-of-this-test"], holds)
    (tmp_path / "cache" / place).chmod(0o777)
    assert holds(prefix)
    assert debian_packages.find("tool", holds) is None
    with pytest.raises(RuntimeError, match="other users could have written to it"):
        debian_packages.ensure("tool", ["tool-of-this-test"], holds)


def test_what_was_half_unpacked_is_replaced(log: Path) -> None:
    prefix = debian_packages.cache_directory("tool")
    (prefix / "usr").mkdir(parents=True)
    (prefix / "usr" / "left-over").touch()
    assert debian_packages.ensure("tool", ["tool-of-this-test"], holds) == prefix
    assert sorted(file.name for file in (prefix / "usr").iterdir()) == ["bin"]
