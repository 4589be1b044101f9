"""Clusters made by the node's own script with a real kubeadm.

Rule: nothing of the scripts is changed. What is translated, and why, is in `programs/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jeroboam.driver import Bootstrap, KeyAlgorithm
from jeroboam.testing.cases import Case, make_case
from shared.drivers.agent import bundle
from shared.drivers.kubernetes.labels import DEFAULT_VERSION
from tests.kubeadm.images import REGISTRY, make_images
from tests.kubeadm.machines import PROGRAMS, SIGNER_PORT, Machine, Wire
from tests.support.ca_phases import secrets_in
from tests.support.kubernetes import driver, engine

HERE = Path(__file__).parent
NEXT_VERSION = "v1.35.0"
MIRROR = "https://mirror.test/kubernetes"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kubeadm)
            item.add_marker(pytest.mark.timeout(1500))


@dataclass
class Cluster:
    """`case` is the cluster as a driver reads it; its nodes are the machines, in this order."""

    machines: list[Machine]
    case: Case
    directory: Path

    @property
    def master(self) -> Machine:
        return self.machines[0]

    @property
    def worker(self) -> Machine:
        return self.machines[-1]

    def bootstrap(
        self, machine: Machine, phase: str = "before", *, part: str = "", version: str = DEFAULT_VERSION
    ) -> subprocess.CompletedProcess[str]:
        """Run what the machine's agent would fetch in a phase of a rotation of authorities."""
        secrets = secrets_in(self.case, phase)
        authority = secrets["kubernetes"]
        (self.directory / "signer.crt").write_text(authority.certificate or "")
        (self.directory / "signer.key").write_text(authority.secret)
        place = self.machines.index(machine)
        # Nodes join in their order.
        case = self.case.with_labels(kube_tag=version).joined(*range(place))
        found = engine.bootstrap(replace(case.context(case.nodes[place], cloud=False), secrets=secrets))
        assert isinstance(found, Bootstrap), found
        script = machine.run_directory / "bootstrap"
        script.write_text(bundle.render(found, version))
        return machine.do("sh", str(script), given=f"part={part}\n" if part else "")

    def command(self, machine: Machine, name: str, arguments: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
        """Carry out one of the engine's commands, as the machine's agent does."""
        given = "".join(f"{key}={value}\n" for key, value in arguments.items())
        return machine.do(f"/etc/jeroboam/commands.d/{name}", given=given, seconds=900)

    def kubectl(self, *arguments: str, on: int = 0) -> str:
        """As the cluster's administrator, on a master."""
        command = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *arguments)
        done = self.machines[on].do(*command, seconds=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def _cluster(mode: str, names: Sequence[str], addresses: Sequence[Sequence[str]], **size: int) -> Iterator[Cluster]:
    """Machines with these names and addresses, which have containerd and the images, and no Kubernetes yet."""
    programs = os.environ.get("JEROBOAM_KUBEADM")
    assert programs, "JEROBOAM_KUBEADM names no place: run `make test-kubeadm`"
    os.environ.update(WANTED_VERSION=DEFAULT_VERSION, NEXT_VERSION=NEXT_VERSION)
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-kubeadm-"))
    # This kubeadm does not read a service accounts' key of another algorithm; those of 1.31 and later do.
    case = make_case(driver, mode, **size).with_labels(
        container_infra_prefix=f"{REGISTRY}/",
        cloud_provider_enabled="false",
        kubernetes_apt_mirror=MIRROR,
        key_algorithm=KeyAlgorithm.RSA_2048,
    )
    case = case.with_nodes(
        [
            replace(node, name=name, ip_address=own[0])
            for node, name, own in zip(case.nodes, names, addresses, strict=True)
        ]
    )
    images = make_images(Path(programs), directory)
    wire = Wire(f"jk{os.getpid()}")
    machines: list[Machine] = []
    signers: list[subprocess.Popen[bytes]] = []
    try:
        for number, (name, own) in enumerate(zip(names, addresses, strict=True)):
            machine = Machine(wire, name, directory / name, addresses=own, pods=f"10.100.{number + 1}.0/24")
            machines.append(machine)
            machine.do("systemctl", "start", "containerd")
            for image in images:
                imported = machine.do("ctr", "--namespace", "k8s.io", "images", "import", str(image))
                assert imported.returncode == 0, imported.stderr
            signers.append(_signer(machine, directory))
        yield Cluster(machines, case, directory)
    finally:
        for signer in signers:
            signer.kill()
            signer.wait(10)
        for machine in machines:
            machine.close()
        wire.close()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    """A master and a worker. 10.0.0.4 is where the driver's case says the API is."""
    with _cluster("port", ("m0", "w0"), (["10.0.0.10", "10.0.0.4"], ["10.0.1.11"]), workers=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def trio() -> Iterator[Cluster]:
    """Three masters that share 10.0.0.4."""
    with _cluster("vip", ("a0", "a1", "a2"), (["10.0.0.10"], ["10.0.0.11"], ["10.0.0.12"]), workers=0) as cluster:
        yield cluster


def _signer(machine: Machine, directory: Path) -> subprocess.Popen[bytes]:
    files = (str(directory / "signer.crt"), str(directory / "signer.key"))
    import_path = str(HERE.parent.parent)
    command = machine.command("env", f"PYTHONPATH={import_path}", sys.executable, str(PROGRAMS / "signer.py"))
    return subprocess.Popen([*command, str(SIGNER_PORT), *files], stderr=subprocess.DEVNULL)
