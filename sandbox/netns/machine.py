"""One machine: namespaces, a root that is an overlay on the shared one, and the process that holds them.

Rule: everything it writes is in its directory, and all its processes are in its process namespace, so that ending the
first one ends all. What it mounts is in its own mount namespace and goes with it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from importlib import resources
from pathlib import Path

from sandbox.openstack.hypervisor import Machine

_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP = "jeroboam-netns"
END_SECONDS = 15.0
SERIAL = "serial.log"  # what the machine writes to /dev/console


class RunningMachine:
    """Args:
    machine: the server.
    space: name of its network namespace, which exists.
    directory: its own, kept while the server exists.
    base: the shared root; of several directories, separated by colons, the first one lies on top.
    """

    def __init__(self, machine: Machine, space: str, directory: Path, base: str) -> None:
        self.machine = machine
        self.space = space
        self.directory = directory
        self._groups = make_groups(machine.id)
        for name in ("upper", "work", "root", "docker"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / SERIAL).touch()
        self._write_seed()
        boot = str(resources.files("sandbox.netns") / "files" / "boot.sh")
        enter = "".join(f"echo $$ >{group}/cgroup.procs; " for group in self._groups)
        command = [
            "nsenter", f"--net=/run/netns/{space}", "sh", "-c", f'{enter}exec "$@"', "sh",
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup",
            "--propagation", "private",
            "sh", boot, str(directory), base, machine.name,
        ]  # fmt: skip
        with (directory / "console.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _write_seed(self) -> None:
        """What cloud-init reads: user data and the instance's ID, by which it knows a first boot."""
        seed = self.directory / "upper/var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True, exist_ok=True)
        (seed / "user-data").write_text(self.machine.user_data)
        meta = {"instance-id": self.machine.id, "local-hostname": self.machine.name}
        (seed / "meta-data").write_text(json.dumps(meta))
        (seed / "user-data").chmod(0o600)

    def end(self, *, gone: bool) -> None:
        """End all its processes; if it is `gone`, delete what it wrote."""
        if self.alive:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(END_SECONDS)
        remove_groups(self.machine.id)
        if gone:
            # Processes of a namespace that is being destroyed can hold files for a moment.
            for _ in range(20):
                shutil.rmtree(self.directory, ignore_errors=True)
                if not self.directory.exists():
                    break
                time.sleep(0.1)


def hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if path.is_dir() and path.name != "unified"]


def make_groups(machine_id: str) -> list[Path]:
    """A control group in each hierarchy, below which the machine's containers have theirs."""
    made = []
    for hierarchy in hierarchies():
        group = hierarchy / _CGROUP / machine_id
        group.mkdir(parents=True, exist_ok=True)
        for each in (group.parent, group):
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (each / name).exists():
                    (each / name).write_text((each.parent / name).read_text())
        made.append(group)
    return made


def remove_groups(machine_id: str) -> None:
    """Remove a machine's control groups, the innermost first; its processes have ended."""
    for hierarchy in hierarchies():
        top = hierarchy / _CGROUP / machine_id
        for _ in range(50):
            for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                _rmdir(group)
            _rmdir(top)
            if not top.exists():
                break
            time.sleep(0.1)
        _rmdir(hierarchy / _CGROUP)


def _rmdir(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass  # not there, or still in use
