"""A newer Docker for machines: Debian's own package with another version in its programs, in a repository of files.

Debian has one version only. The version is a text of fixed length in both programs, so replacing it gives an engine
that says of itself, to clients and to its peers, that it is the next one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

SECONDS = 300


def next_version(root: Path) -> tuple[str, str]:
    """The version of the engine in a root, and the next one, without Debian's suffix."""
    said = subprocess.run(
        ["chroot", str(root), "dockerd", "--version"], capture_output=True, text=True, timeout=SECONDS, check=True
    ).stdout
    match = re.search(r"version (\d+\.\d+\.)(\d+)", said)
    assert match is not None, said
    return match[1] + match[2], f"{match[1]}{int(match[2]) + 1}"


def make_repository(root: Path, layer: Path, work: Path) -> str:
    """Put a repository with the newer package into `layer`, as the only source of packages. Returns its version."""
    old, new = next_version(root)
    assert len(old) == len(new)
    package = _newer(root, work, old, new)
    place = layer / "var/lib/machine-packages"
    place.mkdir(parents=True)
    target = place / package.name
    package.rename(target)
    control = subprocess.run(
        ["dpkg-deb", "--field", str(target)], capture_output=True, text=True, timeout=SECONDS, check=True
    ).stdout
    data = target.read_bytes()
    entry = f"Filename: ./{target.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (place / "Packages").write_text(control.rstrip() + "\n" + entry)
    sources = layer / "etc/apt"
    (sources / "sources.list.d").mkdir(parents=True)
    (sources / "sources.list").write_text("deb [trusted=yes] file:/var/lib/machine-packages ./\n")
    for file in (root / "etc/apt/sources.list.d").glob("*"):
        (sources / "sources.list.d" / file.name).write_text("")
    return new


def _newer(root: Path, work: Path, old: str, new: str) -> Path:
    """Debian's package with both programs and its own version changed."""
    listed = subprocess.run(
        ["chroot", str(root), "dpkg-query", "-W", "-f", "${Version}", "docker.io"],
        capture_output=True, text=True, timeout=SECONDS, check=True,
    ).stdout  # fmt: skip
    work.mkdir()
    command = ["apt-get", "-q", "download", f"docker.io={listed}"]
    subprocess.run(command, cwd=work, timeout=SECONDS, check=True, capture_output=True)
    (archive,) = work.glob("docker.io_*.deb")
    unpacked = work / "unpacked"
    subprocess.run(["dpkg-deb", "-R", str(archive), str(unpacked)], timeout=SECONDS, check=True)
    for program in ("usr/sbin/dockerd", "usr/bin/docker"):
        file = unpacked / program
        file.write_bytes(file.read_bytes().replace(old.encode(), new.encode()))
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {new}-1", control.read_text()))
    package = work / f"docker.io_{new}-1.deb"
    subprocess.run(
        ["dpkg-deb", "-Z", "none", "--root-owner-group", "-b", str(unpacked), str(package)],
        timeout=SECONDS, check=True, capture_output=True,
    )  # fmt: skip
    return package
