"""A machine for the node script: a directory as its root, and programs that only write down how they were called.

Rule: what the programs answer is in files under `fake/`, so that a test says in one line what is different.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from jeroboam.driver import Bootstrap
from shared.drivers.agent import bundle
from shared.pki.authority import make_authority

PROGRAMS = (
    "swapoff modprobe sysctl systemctl kubeadm kubectl kubelet containerd keepalived apt-get apt-cache apt-mark ip "
    "lsblk blkid mkfs.ext4 mount mountpoint curl date"
)
_PROGRAM = """#!/bin/sh
name=${0##*/}
fake=$FAKE
[ "$name" = date ] || echo "$name $*" >>"$fake/calls"
kubernetes=$JEROBOAM_ROOT/etc/kubernetes
[ ! -f "$fake/$name-fails" ] || { cat "$fake/$name-fails" >&2; exit 1; }
[ ! -f "$fake/$name-$1-fails" ] || { cat "$fake/$name-$1-fails" >&2; exit 1; }
# `<program>-<subcommand>-passes`: a line is an error that is printed once, by the next such call.
passing="$fake/$name-$1-passes"
if [ -s "$passing" ]; then
    head -n 1 "$passing" >&2
    sed -i 1d "$passing"
    exit 1
fi
case "$name $*" in
"kubeadm version"*) cat "$fake/version" ;;
"kubeadm config images list"*)
    printf '%s\\n' registry.test/kube-apiserver:v1 registry.test/pause:3.10 registry.test/etcd:3 ;;
"kubeadm init"* | "kubeadm join"*)
    mkdir -p "$kubernetes/manifests"
    touch "$kubernetes/kubelet.conf"
    ls -R "$kubernetes" >"$fake/seen-by-kubeadm"
    [ ! -f "$fake/kubeadm-breaks" ] || { echo "error: etcd is not healthy" >&2; exit 1; }
    "$PYTHON" "$LEAVES" start "$JEROBOAM_ROOT" ;;
"kubeadm certs renew all") "$PYTHON" "$LEAVES" renew "$JEROBOAM_ROOT" ;;
"kubeadm reset"*) rm -rf "$kubernetes" ;;
"kubectl get --raw"*) [ ! -f "$fake/api-is-away" ] ;;
"kubectl apply"*) for file; do :; done; cat "$file" >>"$fake/applied" ;;
"kubectl --kubeconfig"*) cat "$fake/ready" ;;
"kubectl get node "*jsonpath*) cat "$fake/condition-$3" 2>/dev/null || echo "True 1970-01-01T00:00:00Z" ;;
"kubectl get volumeattachments"*)
    if [ -s "$fake/attached" ]; then
        head -n 1 "$fake/attached"
        sed -i 1d "$fake/attached"
    fi ;;
"kubectl get node"*)
    shift 2
    for node; do case $node in --*) break ;; esac; [ -f "$fake/no-such-node" ] || echo "node/$node"; done ;;
"kubectl drain"*)
    [ "$(cat "$fake/undrainable" 2>/dev/null)" != "$2" ] || { echo "error: pod web-0 did not go" >&2; exit 1; }
    # Its machine dies now, and then no eviction ends.
    [ "$(cat "$fake/dies" 2>/dev/null)" != "$2" ] || {
        echo "Unknown 1970-01-01T00:00:00Z" >"$fake/condition-$2"
        echo "$$" >"$fake/dies"
        exec sleep 50
    } ;;
"kubectl delete node"*) [ ! -f "$fake/stays" ] || { cat "$fake/stays" >&2; exit 1; } ;;
"kubectl taint"*-) [ ! -f "$fake/no-such-taint" ] || { echo "taint not found" >&2; exit 1; } ;;
"kubectl -n kube-system exec "*" member list") cat "$fake/members" ;;
"kubectl -n kube-system exec "*" endpoint health")
    [ ! -f "$fake/unhealthy" ] || { cat "$fake/unhealthy" >&2; exit 1; } ;;
"kubectl -n kube-system get pod"*)
    manifest=$kubernetes/manifests/${5%%-k8s-*}.yaml
    echo "$(sed -n 's/.*jeroboam-certificates: "\\(.*\\)"/\\1/p' "$manifest") $(cat "$fake/pods-ready")" ;;
"kubectl -n kube-system get configmap kube-root-ca.crt"*) cat "$fake/published" ;;
"kubectl -n kube-system get secrets"*) cat "$fake/join-tokens" 2>/dev/null || : ;;
*" patch secret "*) [ ! -f "$fake/again" ] || sed -i "s|^$2 $5 .*|$2 $5 $(cat "$fake/again")|" "$fake/secrets" ;;
"kubectl -n kube-public get"*) printf 'kubeconfig: |\\n    certificate-authority-data: b2xk\\n' ;;
"kubectl replace"*) cat >"$fake/announced" ;;
"kubectl get"*"--all-namespaces"*) cat "$fake/$2" 2>/dev/null || : ;;
*" rollout status "*) [ ! -f "$fake/stuck-$6" ] || { echo "error: timed out waiting for the condition" >&2; exit 1; } ;;
*" rollout restart "*) [ ! -f "$fake/paused-$6" ] || { echo "error: can't restart paused deployment" >&2; exit 1; } ;;
"kubectl -n kube-system get configmap"*) echo "kubernetesVersion: $(cat "$fake/cluster-version")" ;;
"kubeadm upgrade apply"*) cp "$fake/version" "$fake/cluster-version" ;;
"containerd --version") cat "$fake/containerd-version" 2>/dev/null ;;
"apt-cache policy containerd") echo "  Candidate: $(cat "$fake/containerd-offered")" ;;
"kubelet --version") echo "Kubernetes $(cat "$fake/kubelet-version")" ;;
"apt-get "*" install "*)
    for package; do
        version=${package#*=} version=v${version%-*}
        case $package in
        kubeadm=*) echo "$version" >"$fake/version" ;;
        kubelet=*) echo "$version" >"$fake/kubelet-version" ;;
        containerd) case "$*" in
            *--download-only*) ;;
            *) [ ! -f "$fake/containerd-offered" ] ||
                echo "containerd $(cat "$fake/containerd-offered")" | sed 's/ / x /' >"$fake/containerd-version" ;;
            esac ;;
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
"date +%Y"* | "date -d"*) /bin/date "$@" ;;
"date +%s") now=$(($(cat "$fake/now") + 50)); echo "$now" | tee "$fake/now" ;;
"curl"*"--write-out"*/readyz) cat "$fake/readyz" 2>/dev/null || printf 200 ;;
"curl"*"--data-binary @"*/csr) "$PYTHON" "$LEAVES" sign "$JEROBOAM_ROOT" "$@" ;;
"curl"*)
    for url; do :; done
    while [ "$#" -gt 1 ]; do
        [ "$1" != --output ] || cp "$fake/served/${url##*/}" "$2" 2>/dev/null || echo fetched >"$2"
        shift
    done ;;
esac
"""


# A program of a release, served for download: it is the machine's own one, of another version.
_RELEASED = """#!/bin/sh
echo {version} >"$FAKE/{answer}"
exec "$FAKE/programs/{name}" "$@"
"""


class NodeMachine:
    """Args: root: becomes the machine's root."""

    def __init__(self, root: Path, *, version: str = "v1.34.2") -> None:
        self.root = root / "root"
        self.fake = root / "fake"
        self._bin = root / "bin"
        self.takes_results = True  # whether its agent gives commands a file for their results
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
        self.set("pods-ready", "True")
        # What the API signs with.
        signer = make_authority("signer", now=datetime.now(UTC))
        (root / "signer.crt").write_text(signer.public)
        (root / "signer.key").write_text(signer.private)
        (self.root / "etc/jeroboam").mkdir()
        (self.root / "etc/jeroboam/agent.env").write_text(
            "JEROBOAM_URL=https://jeroboam.example.org\nJEROBOAM_NODE_ID=some-node\n"
        )

    def without_kubernetes(self) -> None:
        """Make it a machine whose image has no program of Kubernetes."""
        (self.fake / "programs").mkdir()
        for name in ("kubeadm", "kubelet", "kubectl"):
            (self._bin / name).rename(self.fake / "programs" / name)

    def serve(self, name: str, content: bytes, checksum: str | None = None) -> None:
        """Have curl find this file, whatever comes before its name, and its checksum."""
        served = self.fake / "served"
        served.mkdir(exist_ok=True)
        (served / name).write_bytes(content)
        (served / f"{name}.sha256").write_text(checksum or hashlib.sha256(content).hexdigest())

    def serve_kubernetes(self, version: str) -> None:
        """Have curl find the binaries of a release."""
        answers = {"kubeadm": "version", "kubelet": "kubelet-version", "kubectl": "kubectl-version"}
        for name, answer in answers.items():
            self.serve(name, _RELEASED.format(version=version, answer=answer, name=name).encode())

    def set(self, name: str, text: str = "") -> None:
        (self.fake / name).write_text(f"{text}\n" if text else "")

    def unset(self, name: str) -> None:
        (self.fake / name).unlink()

    def run(self, found: Bootstrap, **arguments: str) -> subprocess.CompletedProcess[str]:
        """Write the files and run the script as the agent does; `calls` then are this run's."""
        return self._sh("-c", bundle.render(found, "v1.34.2"), given=_given("bootstrap", arguments))

    def command(self, name: str, **arguments: str | int) -> subprocess.CompletedProcess[str]:
        """Carry out one of the commands that came with the bootstrap, as the agent does."""
        return self._sh(str(self.root / "etc/jeroboam/commands.d" / name), given=_given(name, arguments))

    def program(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one of the programs that came with the bootstrap."""
        return self._sh(str(self.root / "etc/jeroboam" / name))

    def _sh(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        self.set("calls")
        self.set("results")
        given_results = {"JEROBOAM_RESULTS": str(self.fake / "results")} if self.takes_results else {}
        return subprocess.run(
            ["sh", *arguments],
            input=given,
            env={
                "PATH": f"{self._bin}:/usr/bin:/bin",
                "JEROBOAM_ROOT": str(self.root),
                "FAKE": str(self.fake),
                **given_results,
                "JEROBOAM_RETRY_SECONDS": "0",
                "PYTHON": sys.executable,
                "LEAVES": str(Path(__file__).with_name("kubernetes_leaves.py")),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return (self.fake / "calls").read_text().splitlines()

    @property
    def results(self) -> list[str]:
        """What the last command wrote as its results."""
        return (self.fake / "results").read_text().splitlines()

    def called(self, start: str) -> list[str]:
        return [call for call in self.calls if call.startswith(start)]

    def text(self, path: str) -> str:
        return (self.root / path).read_text()


def _given(name: str, arguments: Mapping[str, str | int]) -> str:
    """What a command's hook reads: the agent's own decoding of a line of its list of commands."""
    fields = bundle.render_commands([{"id": "1", "name": name, "args": arguments}]).split()
    return base64.b64decode(fields[2]).decode() if len(fields) > 2 else ""
