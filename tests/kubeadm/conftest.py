"""A master and a worker, made by the node's own script with a real kubeadm.

Rule: nothing of the scripts is changed. What is translated, and why, is in `programs/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from shared.drivers.agent import bundle
from shared.drivers.kubernetes.labels import DEFAULT_VERSION
from tests.kubeadm.images import REGISTRY, make_images
from tests.kubeadm.machines import PROGRAMS, SIGNER_PORT, Machine, Wire
from tests.support.ca_phases import secrets_in
from tests.support.kubernetes import driver, engine

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kubeadm)
            item.add_marker(pytest.mark.timeout(1500))


@dataclass
class Pair:
    """`case` is the cluster as a driver reads it; its nodes are the two machines, in this order."""

    master: Machine
    worker: Machine
    case: Case
    directory: Path

    def bootstrap(self, machine: Machine, phase: str, *, part: str = "") -> subprocess.CompletedProcess[str]:
        """Run what the machine's agent would fetch in a phase of a rotation of authorities."""
        secrets = secrets_in(self.case, phase)
        authority = secrets["kubernetes"]
        (self.directory / "signer.crt").write_text(authority.certificate or "")
        (self.directory / "signer.key").write_text(authority.secret)
        first = machine is self.master
        case = self.case if first else self.case.joined(0)
        found = engine.bootstrap(replace(case.context(case.nodes[0 if first else 1], cloud=False), secrets=secrets))
        assert isinstance(found, Bootstrap)
        script = machine.run_directory / "bootstrap"
        script.write_text(bundle.render(found, DEFAULT_VERSION))
        return machine.do("sh", str(script), given=f"part={part}\n" if part else "")

    def kubectl(self, *arguments: str) -> str:
        """As the cluster's administrator, on the master."""
        done = self.master.do("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *arguments, seconds=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    programs = os.environ.get("JEROBOAM_KUBEADM")
    assert programs, "JEROBOAM_KUBEADM names no place: run `make test-kubeadm`"
    os.environ["WANTED_VERSION"] = DEFAULT_VERSION
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-kubeadm-"))
    case = make_case(driver, "port", workers=1).with_labels(
        container_infra_prefix=f"{REGISTRY}/", cloud_provider_enabled="false"
    )
    names = {"master": ("m0", "10.0.0.10"), "worker": ("w0", "10.0.1.11")}
    case = case.with_nodes(
        [replace(node, name=names[node.role][0], ip_address=names[node.role][1]) for node in case.nodes]
    )
    images = make_images(Path(programs), directory)
    wire = Wire(f"jk{os.getpid()}")
    machines: list[Machine] = []
    signers: list[subprocess.Popen[bytes]] = []
    try:
        # 10.0.0.4 is where the driver's case says the API is.
        for number, addresses in enumerate((["10.0.0.10", "10.0.0.4"], ["10.0.1.11"])):
            name = ("m0", "w0")[number]
            machine = Machine(wire, name, directory / name, addresses=addresses, pods=f"10.100.{number + 1}.0/24")
            machines.append(machine)
            machine.do("systemctl", "start", "containerd")
            for image in images:
                imported = machine.do("ctr", "--namespace", "k8s.io", "images", "import", str(image))
                assert imported.returncode == 0, imported.stderr
            signers.append(_signer(machine, directory))
        yield Pair(machines[0], machines[1], case, directory)
    finally:
        for signer in signers:
            signer.kill()
            signer.wait(10)
        for machine in machines:
            machine.close()
        wire.close()
        shutil.rmtree(directory, ignore_errors=True)


def _signer(machine: Machine, directory: Path) -> subprocess.Popen[bytes]:
    files = (str(directory / "signer.crt"), str(directory / "signer.key"))
    import_path = str(HERE.parent.parent)
    command = machine.command("env", f"PYTHONPATH={import_path}", sys.executable, str(PROGRAMS / "signer.py"))
    return subprocess.Popen([*command, str(SIGNER_PORT), *files], stderr=subprocess.DEVNULL)
