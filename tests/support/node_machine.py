"""A machine for the node script: a directory as its root, and programs that only write down how they were called.

Rule: what the programs answer is in files under `fake/`, so that a test says in one line what is different.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from shared.drivers.agent import bundle
from shared.drivers.base import Bootstrap

PROGRAMS = (
    "swapoff modprobe sysctl systemctl kubeadm kubectl kubelet containerd keepalived apt-get apt-mark ip lsblk blkid "
    "mkfs.ext4 mount mountpoint curl date"
)
_PROGRAM = """#!/bin/sh
name=${0##*/}
fake=$FAKE
[ "$name" = date ] || echo "$name $*" >>"$fake/calls"
kubernetes=$JEROBOAM_ROOT/etc/kubernetes
[ ! -f "$fake/$name-fails" ] || { cat "$fake/$name-fails" >&2; exit 1; }
case "$name $*" in
"kubeadm version"*) cat "$fake/version" ;;
"kubeadm config images list"*)
    printf '%s\\n' registry.test/kube-apiserver:v1 registry.test/pause:3.10 registry.test/etcd:3 ;;
"kubeadm init"* | "kubeadm join"*)
    mkdir -p "$kubernetes/manifests"
    touch "$kubernetes/kubelet.conf"
    ls -R "$kubernetes" >"$fake/seen-by-kubeadm"
    [ ! -f "$fake/kubeadm-breaks" ] || { echo "error: etcd is not healthy" >&2; exit 1; } ;;
"kubeadm reset"*) rm -rf "$kubernetes" ;;
"kubectl get --raw"*) [ ! -f "$fake/api-is-away" ] ;;
"kubectl apply"*) for file; do :; done; cat "$file" >>"$fake/applied" ;;
"kubectl --kubeconfig"*) cat "$fake/ready" ;;
"kubectl get node"*)
    shift 2
    for node; do case $node in --*) break ;; esac; [ -f "$fake/no-such-node" ] || echo "node/$node"; done ;;
"kubectl drain"*)
    [ "$(cat "$fake/undrainable" 2>/dev/null)" != "$2" ] || { echo "error: pod web-0 did not go" >&2; exit 1; } ;;
"kubectl taint"*-) [ ! -f "$fake/no-such-taint" ] || { echo "taint not found" >&2; exit 1; } ;;
"kubectl -n kube-system get configmap"*) echo "kubernetesVersion: $(cat "$fake/cluster-version")" ;;
"kubeadm upgrade apply"*) cp "$fake/version" "$fake/cluster-version" ;;
"kubelet --version") echo "Kubernetes $(cat "$fake/kubelet-version")" ;;
"apt-get "*" install "*)
    for package; do
        version=${package#*=} version=v${version%-*}
        case $package in
        kubeadm=*) echo "$version" >"$fake/version" ;;
        kubelet=*) echo "$version" >"$fake/kubelet-version" ;;
        esac
    done ;;
"ip -o -4 route"*) echo "default via 10.0.0.1 dev ens3 proto dhcp" ;;
"ip -o addr"*) echo "2: ens3 inet 10.0.0.4/32 scope global ens3" ;;
"mountpoint"*) [ -f "$fake/mounted" ] ;;
"mount "*) touch "$fake/mounted" ;;
"lsblk -bdnpo"*) printf '%s\\n' '/dev/vda 21474836480 disk' '/dev/vdb 21474836480 disk' '/dev/vdc 1048576 disk' ;;
"lsblk -nro"*/dev/vda) echo "ext4 0x83" ;;
"blkid -L"*) [ -f "$fake/formatted" ] && echo /dev/vdb ;;
"blkid -o"*) [ -f "$fake/formatted" ] && echo ext4 ;;
"mkfs.ext4"*) touch "$fake/formatted" ;;
"date +%s") now=$(($(cat "$fake/now") + 50)); echo "$now" | tee "$fake/now" ;;
"curl"*) while [ "$#" -gt 1 ]; do [ "$1" != --output ] || echo fetched >"$2"; shift; done ;;
esac
"""


class NodeMachine:
    """Args: root: becomes the machine's root."""

    def __init__(self, root: Path, *, version: str = "v1.34.2") -> None:
        self.root = root / "root"
        self.fake = root / "fake"
        self._bin = root / "bin"
        for directory in (self.root / "etc", self.fake, self._bin):
            directory.mkdir(parents=True)
        for name in PROGRAMS.split():
            (self._bin / name).write_text(_PROGRAM)
            (self._bin / name).chmod(0o755)
        (self.root / "etc/fstab").write_text("/dev/vda1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n")
        for name in ("version", "cluster-version", "kubelet-version"):
            self.set(name, version)
        self.set("ready", "True kubelet is posting ready status")
        self.set("now", "0")

    def set(self, name: str, text: str = "") -> None:
        (self.fake / name).write_text(f"{text}\n" if text else "")

    def unset(self, name: str) -> None:
        (self.fake / name).unlink()

    def run(self, found: Bootstrap) -> subprocess.CompletedProcess[str]:
        """Write the files and run the script as the agent does; `calls` then are this run's."""
        return self._sh("-c", bundle.render(found, "v1.34.2"))

    def command(self, name: str, **arguments: str | int) -> subprocess.CompletedProcess[str]:
        """Carry out one of the commands that came with the bootstrap, as the agent does."""
        (line,) = bundle.render_commands([{"id": "1", "name": name, "args": arguments}]).splitlines()
        given = base64.b64decode(line.split()[2]).decode()
        return self._sh(str(self.root / "etc/jeroboam/commands.d" / name), given=given)

    def _sh(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        self.set("calls")
        return subprocess.run(
            ["sh", *arguments],
            input=given,
            env={
                "PATH": f"{self._bin}:/usr/bin:/bin",
                "JEROBOAM_ROOT": str(self.root),
                "FAKE": str(self.fake),
                "JEROBOAM_RETRY_SECONDS": "0",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return (self.fake / "calls").read_text().splitlines()

    def called(self, start: str) -> list[str]:
        return [call for call in self.calls if call.startswith(start)]

    def text(self, path: str) -> str:
        return (self.root / path).read_text()
