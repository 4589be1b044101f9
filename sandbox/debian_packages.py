"""Programs of Debian's archive that tests and the sandbox need, with and without root.

Rule: what a machine has is used. Else `ensure` says in one line what it does: as root it installs the package; anybody
else gets the same packages by apt's own tools, unpacked in a cache directory. Nothing is ever started by it. One
process at a time fetches; the others wait for it. Packages are unpacked beside their place and appear there by a
rename, so that what is found is whole; a cache directory that another user could have made or changed is not used.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.trusted import trusted

SECONDS = 900


def cache_directory(name: str) -> Path:
    """Where the packages of `name` are unpacked for a user who may not install them.

    Without XDG_CACHE_HOME and HOME that is below the home directory of the user database.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        base = f"{os.environ.get('HOME') or pwd.getpwuid(os.getuid()).pw_dir}/.cache"
    return Path(base).absolute() / "jeroboam" / name


def find(name: str, holds: Callable[[Path], bool]) -> Path | None:
    """The root under which `name` lies (`/` when installed), or None."""
    if holds(Path("/")):
        return Path("/")
    cached = cache_directory(name)
    return cached if trusted(cached) and holds(cached) else None


def ensure(
    name: str,
    packages: Sequence[str],
    holds: Callable[[Path], bool],
    *,
    needed: Sequence[str] = (),
    after_unpacking: Callable[[Path, Path], None] = lambda tree, prefix: None,
) -> Path:
    """Find a program, or fetch it. Returns its prefix.

    Args:
        name: what is told of, and the cache directory's name.
        packages: what apt is asked for.
        holds: whether all that is wanted lies under a prefix.
        needed: further packages to unpack: apt resolves what `packages` need only where it installs.
        after_unpacking: what a package's own installation would have settled; called with the directory where the
            packages are at that moment, and the prefix where they will be.

    Raises:
        RuntimeError: neither found nor to be fetched, with apt's own words.
    """
    prefix = find(name, holds)
    if prefix is not None:
        return prefix
    directory = cache_directory(name)
    with _one_at_a_time(directory):
        prefix = find(name, holds)
        if prefix is not None:
            return prefix  # another process fetched it while this one waited
        if _may_install():
            print(f"{name}: not on this machine; installing Debian's {' '.join(packages)} with apt", flush=True)
            _install(packages)
        else:
            print(f"{name}: not on this machine; unpacking Debian's {' '.join(packages)} under {directory}", flush=True)
            with _published_at(directory) as tree:
                _unpack([*packages, *needed], tree)
                after_unpacking(tree, directory)
        prefix = find(name, holds)
    if prefix is None:
        raise RuntimeError(f"{name}: the packages are there, but what was wanted was not found in them")
    return prefix


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Hold a lock. Raises RuntimeError when the packages would go to the cache, and others can write to that."""
    if _may_install():
        place = Path("/var/cache/apt")
    else:
        place = directory.parent
        _check_cache(directory)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _may_install() -> bool:
    return os.geteuid() == 0


def _check_cache(directory: Path) -> None:
    parent = directory.parent
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RuntimeError(f"no cache directory {parent}: {error}; set XDG_CACHE_HOME to another place") from error
    if not trusted(parent) or (directory.exists() and not trusted(directory)):
        raise RuntimeError(
            f"{directory} is not used: other users could have written to it or to a directory above it; "
            "correct their owner and mode, or set XDG_CACHE_HOME to a directory of your own"
        )


@contextmanager
def _published_at(directory: Path) -> Iterator[Path]:
    """A new directory beside `directory`, which takes its place when the block ends well."""
    tree = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=directory.parent))
    try:
        yield tree
        tree.chmod(0o755)
        shutil.rmtree(directory, ignore_errors=True)
        tree.rename(directory)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-1500:]}")


def _install(packages: Sequence[str]) -> None:
    with _no_services_started():
        _run(["apt-get", "-q", "update"])
        # Another user of apt may be at work: wait for it.
        options = ["-q", "-y", "-o", f"DPkg::Lock::Timeout={SECONDS // 2}", "--no-install-recommends"]
        _run(["apt-get", *options, "install", *packages])


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Keep a package from starting a service of its own when it is installed."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink()


def _unpack(packages: Sequence[str], directory: Path) -> None:
    apt = directory / ".apt"
    for place in ("lists/partial", "cache/archives/partial", "debs"):
        (apt / place).mkdir(parents=True, exist_ok=True)
    options = [
        "-q",
        "-o",
        f"Dir::State::lists={apt}/lists",
        "-o",
        f"Dir::Cache={apt}/cache",
        "-o",
        "APT::Sandbox::User=",
        "-o",
        "Debug::NoLocking=1",
    ]
    _run(["apt-get", *options, "update"])
    _run(["apt-get", *options, "download", *packages], cwd=apt / "debs")
    for package in sorted((apt / "debs").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(directory)])
    shutil.rmtree(apt)
