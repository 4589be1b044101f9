"""Fetching packages as a user who may not install them, with an apt and a dpkg of the test's own."""

from __future__ import annotations

import os
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
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return log


def holds(prefix: Path) -> bool:
    return (prefix / "usr/bin/tool-of-this-test").exists()


def test_what_is_not_there_is_unpacked_once(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unpacked: list[Path] = []

    def ensure() -> Path:
        return debian_packages.ensure(
            "tool", ["tool-of-this-test"], holds, needed=["tool-library"], after_unpacking=unpacked.append
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
    assert (unpacked, log.read_text().splitlines()) == ([prefix], asked)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_had_says_so_in_words_of_apt(log: Path) -> None:
    with pytest.raises(RuntimeError, match="Unable to locate package broken"):
        debian_packages.ensure("tool", ["tool-of-this-test", "broken"], holds)
    with pytest.raises(RuntimeError, match="what was wanted was not found in them"):
        debian_packages.ensure("other", ["tool-other"], holds)
