"""Programs of Debian's archive that tests and the sandbox need, with and without root.

Rule: what a machine has is used. Else `ensure` says in one line what it does: as root it installs the package; anybody
else gets the same packages by apt's own tools, unpacked in a cache directory. Nothing is ever started by it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SECONDS = 900


def cache_directory(name: str) -> Path:
    """Where the packages of `name` are unpacked for a user who may not install them."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or "/tmp", ".cache")  # noqa: PTH118, S108
    return Path(base) / "jeroboam" / name


def find(name: str, holds: Callable[[Path], bool]) -> Path | None:
    """The root under which `name` lies (`/` when installed), or None."""
    return next((prefix for prefix in (Path("/"), cache_directory(name)) if holds(prefix)), None)


def ensure(
    name: str,
    packages: Sequence[str],
    holds: Callable[[Path], bool],
    *,
    needed: Sequence[str] = (),
    after_unpacking: Callable[[Path], None] = lambda prefix: None,
) -> Path:
    """Find a program, or fetch it. Returns its prefix.

    Args:
        name: what is told of, and the cache directory's name.
        packages: what apt is asked for.
        holds: whether all that is wanted lies under a prefix.
        needed: further packages to unpack: apt resolves what `packages` need only where it installs.
        after_unpacking: what a package's own installation would have settled.

    Raises:
        RuntimeError: neither found nor to be fetched, with apt's own words.
    """
    prefix = find(name, holds)
    if prefix is not None:
        return prefix
    if os.geteuid() == 0:
        print(f"{name}: not on this machine; installing Debian's {' '.join(packages)} with apt", flush=True)
        _install(packages)
    else:
        directory = cache_directory(name)
        print(f"{name}: not on this machine; unpacking Debian's {' '.join(packages)} under {directory}", flush=True)
        _unpack([*packages, *needed], directory)
        after_unpacking(directory)
    prefix = find(name, holds)
    if prefix is None:
        raise RuntimeError(f"{name}: the packages are there, but what was wanted was not found in them")
    return prefix


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
        _run(["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages])


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
