"""The root file system that all machines share: Debian with cloud-init and Docker, built once and kept.

Rule: it is built from the package sources that this machine has, in a directory that is renamed when it is complete.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

RELEASE = "bookworm"
PACKAGES = (
    *("cloud-init", "docker.io", "containerd", "runc", "keepalived", "iproute2", "iptables", "iputils-ping"),
    *("curl", "openssl", "procps", "python3", "ca-certificates", "busybox-static"),
)
MINUTES = 15
_VERSION = "1"  # a root of another version is built again


def default_directory() -> Path:
    """The directory in which built roots are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "jeroboam" / "netns"


def ensure_root(directory: Path | None = None) -> Path:
    """The path of the base root; building it takes about two minutes.

    Raises:
        RuntimeError: it could not be built; the message contains the end of the log.
    """
    place = directory or default_directory()
    root = place / f"{RELEASE}-{_VERSION}"
    if not root.exists():
        place.mkdir(parents=True, exist_ok=True)
        new = place / f"{root.name}.new-{os.getpid()}"
        try:
            _build(new, place / "build.log")
            new.rename(root)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    _install_files(root)
    return root


def _build(root: Path, log: Path) -> None:
    if shutil.which("debootstrap") is None:
        raise RuntimeError("the netns hypervisor needs debootstrap: apt-get install debootstrap")
    with log.open("wb") as output:
        _run(["debootstrap", "--variant=minbase", RELEASE, str(root)], output, log)
        for name in ("sources.list", "sources.list.d", "apt.conf.d"):
            source = Path("/etc/apt") / name
            if source.is_dir():
                shutil.copytree(source, root / "etc/apt" / name, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, root / "etc/apt" / name)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]
        _run(["chroot", str(root), *environment, "apt-get", "-q", "update"], output, log)
        install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *PACKAGES]
        _run(["chroot", str(root), *environment, *install], output, log)
        _run(["chroot", str(root), "apt-get", "clean"], output, log)


def _run(command: list[str], output: object, log: Path) -> None:
    done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=MINUTES * 60, check=False)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:2])} failed:\n{log.read_text(errors='replace')[-2000:]}")


def _install_files(root: Path) -> None:
    """Process 1, `systemctl`, and what keeps cloud-init from configuring a network that is there already."""
    files = resources.files("sandbox.netns") / "files"
    program = root / "usr/local/sbin/machine-init"
    program.write_text((files / "init").read_text())
    program.chmod(0o755)
    link = root / "usr/local/sbin/systemctl"
    if not link.is_symlink():
        link.symlink_to("machine-init")
    settings = root / "etc/cloud/cloud.cfg.d/99-machine.cfg"
    settings.write_text("network: {config: disabled}\ndatasource_list: [NoCloud, None]\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    _install_image(root, files)


def _install_image(root: Path, files: Traversable) -> None:
    """A container image, which every machine's engine has when it has started; nothing is fetched from a registry."""
    place = root / "usr/share/machine"
    place.mkdir(exist_ok=True)
    with tarfile.open(place / "busybox.tar", "w") as archive:
        archive.add(root / "bin/busybox", "bin/busybox")
        for name in ("sh", "sleep", "cat", "echo", "hostname", "wget", "httpd", "ls", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    loader = place / "load-image"
    loader.write_text((files / "load-image.sh").read_text())
    loader.chmod(0o755)
    unit = root / "etc/systemd/system/docker.service.d/50-image.conf"
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text("[Service]\nExecStartPost=/usr/share/machine/load-image\n")
