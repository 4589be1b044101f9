"""Directories whose contents may be executed or overwritten: only those that no other user could have made or changed.

Rule: a directory is trusted when it is ours and only we may write to it. Every directory above it must belong to us or
to root, and be closed to other writers or sticky (as /tmp is, where only the owner of an entry may rename it).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def trusted(directory: Path) -> bool:
    """Whether `directory` exists, is not a symbolic link, and only we (and root) can change what it names."""
    try:
        status = directory.lstat()
        # A symbolic link further up is resolved; the directories that it leads through are the ones checked.
        parents = [directory.parent.resolve(strict=True)]
        parents += parents[0].parents
        above = [parent.lstat() for parent in parents]
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS_WRITE:
        return False
    return all(_keeps_its_entries(parent) for parent in above)


def _keeps_its_entries(parent: os.stat_result) -> bool:
    if parent.st_uid not in (0, os.geteuid()):
        return False
    return not parent.st_mode & _OTHERS_WRITE or bool(parent.st_mode & stat.S_ISVTX)


def passable(path: Path) -> bool:
    """Whether a user who owns none of it may pass through `path` and every directory above it."""
    with contextlib.suppress(OSError):
        return all(place.stat().st_mode & stat.S_IXOTH for place in [path, *path.resolve().parents])
    return False


def public_temporary_directory() -> Path:
    """Where temporary directories that an unprivileged child process must reach are made.

    This is the usual place for temporary files. As root, when that place is closed to other users (TMPDIR may name a
    directory in root's home), it is the first of /var/tmp and /tmp that is not.
    """
    usual = Path(tempfile.gettempdir())
    if os.geteuid() != 0:
        return usual
    shared = (Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - only mkdtemp is used in them
    return next((place for place in (usual, *shared) if passable(place)), usual)


def make_temporary_directory(prefix: str, place: Path | None = None) -> Path:
    """A new directory, writable only by us, that an unprivileged child process can pass through."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place or public_temporary_directory()))
    directory.chmod(0o711)
    return directory
