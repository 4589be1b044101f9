"""Which directories are trusted: not those that another user could have made, changed or put in their place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.trusted import make_temporary_directory, passable, public_temporary_directory, trusted


@pytest.fixture
def ours() -> Iterator[Path]:
    directory = make_temporary_directory("jeroboam-trusted-")
    yield directory
    shutil.rmtree(directory)


def test_a_new_temporary_directory(ours: Path) -> None:
    assert trusted(ours)
    assert passable(ours)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_one_that_others_can_write_to(ours: Path, mode: int) -> None:
    ours.chmod(mode)
    assert not trusted(ours)


@pytest.mark.parametrize(("mode", "expected"), [(0o775, False), (0o777, False), (0o1777, True)])
def test_one_below_a_directory_that_others_can_write_to(ours: Path, mode: int, expected: bool) -> None:
    (ours / "middle" / "inner").mkdir(parents=True)
    (ours / "middle").chmod(mode)
    assert trusted(ours / "middle" / "inner") is expected


def test_a_symbolic_link_a_file_and_nothing(ours: Path) -> None:
    (ours / "directory").mkdir()
    (ours / "link").symlink_to(ours / "directory")
    (ours / "file").touch()
    assert trusted(ours / "directory")
    assert not trusted(ours / "link")
    assert not trusted(ours / "file")
    assert not trusted(ours / "missing")


def test_one_of_another_user(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    assert not trusted(ours)


def test_as_root_temporary_files_of_an_unprivileged_child_are_not_below_a_closed_directory(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(ours))
    assert public_temporary_directory() == ours
    ours.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert public_temporary_directory() == Path("/var/tmp")
