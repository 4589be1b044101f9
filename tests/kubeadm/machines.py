"""Machines that share this one's kernel: a network, mount and host name space each, directories of their own.

Rule: everything a machine writes lies under its own directory, and what it starts is known by its name spaces, so
`close` leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.kubeadm.images import REGISTRY

PROGRAMS = Path(__file__).with_name("programs")
SIGNER_PORT = 9511
_OWN = (
    *("/etc/kubernetes", "/etc/jeroboam", "/etc/containerd", "/etc/cni", "/etc/modules-load.d", "/etc/sysctl.d"),
    *("/var/lib/kubelet", "/var/lib/jeroboam", "/var/lib/etcd", "/var/lib/containerd"),
    *("/var/log/pods", "/var/log/containers", "/opt/cni", "/run/flannel", "/etc/keepalived", "/etc/apt"),
)
_CGROUPS = Path("/sys/fs/cgroup")
_NOTHING = ("swapoff", "modprobe", "sysctl", "apt-mark")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=20)


class Wire:
    """The network between machines; each gets addresses of 10.0.0.0/16."""

    def __init__(self, name: str) -> None:
        self.name = name
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "br0", "type", "bridge")
        _ip("-n", name, "addr", "add", "10.0.255.254/16", "dev", "br0")
        _ip("-n", name, "link", "set", "br0", "up")

    def close(self) -> None:
        _ip("netns", "del", self.name)


class Machine:
    """Args: directory: its own; addresses: the first is its main one; pods: its pods' network, e.g. `10.100.1.0/24`."""

    def __init__(self, wire: Wire, name: str, directory: Path, *, addresses: Sequence[str], pods: str) -> None:
        self.name, self.directory, self._wire = name, directory, wire
        self._space = f"{wire.name}-{name}"
        self.run_directory = directory / "run"
        self.run_directory.mkdir(parents=True)
        (directory / "bin").mkdir()
        for program in PROGRAMS.iterdir():
            shutil.copy(program, directory / "bin")
        for name_of_none in _NOTHING:
            shutil.copy(PROGRAMS / "nothing", directory / "bin" / name_of_none)
        self._connect(addresses)
        self._make_cgroups()
        self._init = self._boot()
        self._write_configuration(pods)

    def _connect(self, addresses: Sequence[str]) -> None:
        space, port = self._space, f"p-{self.name}"
        _ip("netns", "add", space)
        _ip("link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", port, "netns", self._wire.name)
        _ip("-n", self._wire.name, "link", "set", port, "master", "br0", "up")
        for address in addresses:
            _ip("-n", space, "addr", "add", f"{address}/16", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", space, "link", "set", device, "up")
        _ip("-n", space, "route", "add", "default", "via", "10.0.255.254")

    def _cgroups(self) -> list[Path]:
        hierarchies = [path for path in _CGROUPS.iterdir() if path.is_dir() and path.name != "unified"]
        return [path / f"jeroboam-{self.name}" for path in hierarchies]

    def _make_cgroups(self) -> None:
        for group in self._cgroups():
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (group / name).exists():
                    (group / name).write_text((group.parent / name).read_text())

    def _boot(self) -> subprocess.Popen[bytes]:
        """A process that holds the name spaces open."""
        lines = [f"hostname {self.name}"]
        for path in _OWN:
            lines.append(f"mkdir -p {path} '{self.directory}{path}' && mount --bind '{self.directory}{path}' {path}")
        # Sockets and the name spaces of pods: gone with the machine.
        lines += [f"mkdir -p {path} && mount -t tmpfs none {path}" for path in ("/run/containerd", "/run/netns")]
        lines.append(f"echo '127.0.0.1 localhost {self.name}' >'{self.run_directory}/hosts'")
        lines.append(f"mount --bind '{self.run_directory}/hosts' /etc/hosts")
        lines.append("echo up; exec sleep infinity")
        process = subprocess.Popen(
            ["nsenter", f"--net=/var/run/netns/{self._space}", "setsid", "unshare", "--mount", "--uts",
             "--propagation", "private", "sh", "-ec", "\n".join(lines)],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout as said:
            assert said.readline() == b"up\n", "the machine's name spaces could not be set up"
        return process

    def _write_configuration(self, pods: str) -> None:
        def put(path: str, text: str) -> None:
            place = Path(f"{self.directory}{path}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

        put("/etc/jeroboam/agent.env", f"JEROBOAM_URL=http://127.0.0.1:{SIGNER_PORT}\nJEROBOAM_NODE_ID={self.name}\n")
        put("/var/lib/jeroboam/auth", "Authorization: Bearer x\n")
        put(
            "/etc/cni/net.d/10-bridge.conflist",
            '{"cniVersion":"0.4.0","name":"test","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,'
            f'"ipam":{{"type":"host-local","dataDir":"{self.run_directory}/ipam","ranges":[[{{"subnet":"{pods}"}}]]}}}}]}}',
        )

    def command(self, *arguments: str) -> list[str]:
        environment = {
            "PATH": f"{self.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "RUN": str(self.run_directory),
            "PROGRAMS": f"{self.directory}/bin",
            "PYTHON": sys.executable,
            "REGISTRY": REGISTRY,
            "WANTED_VERSION": os.environ["WANTED_VERSION"],
            "NEXT_VERSION": os.environ["NEXT_VERSION"],
            "JEROBOAM_KUBEADM": os.environ["JEROBOAM_KUBEADM"],
        }
        spaces = ["nsenter", "-t", str(self._init.pid), "--mount", "--net", "--uts", "env", "-i"]
        return [*spaces, *(f"{name}={value}" for name, value in environment.items()), *arguments]

    def do(self, *arguments: str, given: str = "", seconds: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), input=given, capture_output=True, text=True, timeout=seconds, check=False
        )

    def text(self, path: str) -> str:
        return Path(f"{self.directory}{path}").read_text()

    def close(self) -> None:
        """Stop the services, then whatever else lives in the name spaces."""
        self.do("systemctl", "stop", "keepalived", "kubelet")
        tasks = self.do("ctr", "--namespace", "k8s.io", "tasks", "list", "-q").stdout.split()
        for task in tasks:
            self.do("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "KILL", task)
        self.do("systemctl", "stop", "containerd")
        for _ in range(50):
            left = subprocess.run(
                ["ip", "netns", "pids", self._space], capture_output=True, text=True, check=True, timeout=20
            ).stdout.split()
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.1)
        self._init.wait(10)
        _ip("netns", "del", self._space)
        for group in self._cgroups():
            for below in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                with suppress(OSError):
                    below.rmdir()
            with suppress(OSError):
                group.rmdir()
