"""Kubernetes on systems without a package manager: programs are downloaded, checked, and replaced in place."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from shared.drivers.driver import Driver
from shared.drivers.registry import get_driver
from tests.support.ignition import ignition_validate
from tests.support.kubernetes import problems
from tests.support.node_machine import NodeMachine

MIRROR = "https://mirror.example.org/release"
PLUGINS = "https://mirror.example.org/plugins"
OLD, NEW = "v1.34.2", "v1.35.0"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
ARCHIVE = f"cni-plugins-linux-{ARCHITECTURE}-v1.8.0.tgz"
SYSTEMS = {"fedora-coreos": "usr/local/bin", "flatcar": "opt/bin"}
SIX = "containerd github.com/containerd/containerd 1.6.36"


def driver_on(system: str) -> Driver:
    return get_driver("kubernetes", system, "vm")


def case_on(system: str, **labels: str) -> Case:
    mirrors = {"kubernetes_binary_mirror": MIRROR, "cni_plugins_mirror": f"{PLUGINS}/"}
    return make_case(driver_on(system), "octavia").with_labels(**{**mirrors, **labels})


def bootstrap(case: Case, place: int = 0) -> Bootstrap:
    found = case.engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    return found


def plugins() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("./portmap")
        member.mode = 0o755
        archive.addfile(member)
    return content.getvalue()


@pytest.fixture
def machine(tmp_path: Path) -> NodeMachine:
    machine = NodeMachine(tmp_path)
    machine.without_kubernetes()
    machine.serve_kubernetes(OLD)
    archive = plugins()
    # The project writes the name of the file behind the checksum.
    machine.serve(ARCHIVE, archive, f"{hashlib.sha256(archive).hexdigest()}  {ARCHIVE}\n")
    return machine


def downloads(machine: NodeMachine) -> list[str]:
    return [url for call in machine.called("curl") if not (url := call.split()[-1]).endswith(".sha256")]


@pytest.mark.parametrize(("system", "directory"), SYSTEMS.items())
def test_a_master_gets_the_programs_and_makes_the_cluster(machine: NodeMachine, system: str, directory: str) -> None:
    done = machine.run(bootstrap(case_on(system)))
    assert done.returncode == 0, done.stderr
    release = f"{MIRROR}/{OLD}/bin/linux/{ARCHITECTURE}"
    archive = f"{PLUGINS}/v1.8.0/{ARCHIVE}"
    assert downloads(machine) == [*(f"{release}/{name}" for name in ("kubeadm", "kubelet", "kubectl")), archive]
    programs = sorted(path.name for path in (machine.root / directory).iterdir())
    assert programs == ["kubeadm", "kubectl", "kubelet"], "nothing else is left there"
    assert (machine.root / "opt/cni/bin/portmap").exists()
    assert not machine.called("apt")
    unit = machine.text("etc/systemd/system/kubelet.service")
    assert f"ExecStart=/{directory}/kubelet\n" in unit and "[Install]" in unit
    drop_in = machine.text("etc/systemd/system/kubelet.service.d/10-kubeadm.conf")
    assert f"ExecStart=\nExecStart=/{directory}/kubelet --bootstrap-kubeconfig=" in drop_in
    assert "$KUBELET_KUBEADM_ARGS" in drop_in
    assert "SystemdCgroup = true" in machine.text("etc/containerd/config.toml")
    assert machine.text("etc/systemd/system/containerd.service.d/20-jeroboam.conf") == (
        "[Service]\nEnvironment=CONTAINERD_CONFIG=/etc/containerd/config.toml\n"
    )
    calls = machine.calls
    reloaded, enabled = (
        calls.index("systemctl daemon-reload"),
        calls.index("systemctl enable --quiet containerd kubelet"),
    )
    assert reloaded < enabled < next(i for i, call in enumerate(calls) if call.startswith("kubeadm init"))
    again = machine.run(bootstrap(case_on(system)))
    assert again.returncode == 0, again.stderr
    assert downloads(machine) == [] and not machine.called("kubeadm init")


@pytest.mark.parametrize("wrong", ["kubelet", ARCHIVE])
def test_a_file_with_another_checksum_is_not_used(machine: NodeMachine, wrong: str) -> None:
    machine.serve(wrong, b"another file", "0" * 64)
    failed = machine.run(bootstrap(case_on("flatcar")))
    assert failed.returncode != 0
    said = failed.stderr.splitlines()[-1]
    assert f"/{wrong} has the checksum " in said and said.endswith(f"{wrong}.sha256 names {'0' * 64}")
    label = "cni_plugins_mirror" if wrong.startswith("cni") else "kubernetes_binary_mirror"
    assert f"label {label}: " in said
    assert not list((machine.root / "opt").rglob(wrong)) and not machine.called("kubeadm init")


@pytest.mark.parametrize("label", ["kubernetes_binary_mirror", "cni_plugins_mirror"])
def test_what_is_missing_names_the_label(machine: NodeMachine, label: str) -> None:
    failed = machine.run(bootstrap(case_on("flatcar", **{label: ""})))
    assert failed.returncode != 0
    assert f"label {label}" in " ".join(failed.stderr.split()) and not machine.called("kubeadm init")


def test_an_image_or_extension_that_has_everything_needs_no_mirror(tmp_path: Path) -> None:
    machine = NodeMachine(tmp_path)
    (machine.root / "opt/cni/bin").mkdir(parents=True)
    (machine.root / "opt/cni/bin/portmap").touch(0o755)
    done = machine.run(bootstrap(case_on("flatcar", kubernetes_binary_mirror="", cni_plugins_mirror="")))
    assert done.returncode == 0, done.stderr
    assert downloads(machine) == [] and machine.called("kubeadm init")


def test_a_worker_is_upgraded_in_place(machine: NodeMachine) -> None:
    case = case_on("flatcar").joined(0)
    assert machine.run(bootstrap(case, 4)).returncode == 0
    machine.serve_kubernetes(NEW)
    prepared = machine.command("upgrade-prepare", version=NEW)
    assert prepared.returncode == 0, prepared.stderr
    assert {url.rpartition("/")[2] for url in downloads(machine)} == {"kubeadm", "kubelet", "kubectl"}
    assert OLD in machine.text("opt/bin/kubelet"), "the kubelet in use is replaced when the node is drained"
    assert not machine.called("systemctl")
    done = machine.command("upgrade", version=NEW)
    assert done.returncode == 0, done.stderr
    assert downloads(machine) == [], "nothing is downloaded while the node is drained"
    assert all(NEW in machine.text(f"opt/bin/{name}") for name in ("kubeadm", "kubelet", "kubectl"))
    assert machine.called("kubeadm upgrade") == ["kubeadm upgrade node"]
    assert "systemctl restart kubelet" in machine.calls and not machine.called("apt")


def test_a_containerd_that_is_too_old_is_told_before_the_node_is_drained(machine: NodeMachine) -> None:
    machine.set("containerd-version", SIX)
    assert machine.run(bootstrap(case_on("flatcar").joined(0), 4)).returncode == 0
    failed = machine.command("upgrade-prepare", version=OLD, containerd="2.0")
    assert failed.returncode != 0
    assert "containerd 1.6.36 is part of the image and Kubernetes v1.34.2 needs 2.0 or newer" in failed.stderr
    (machine.root / "var/lib/jeroboam/member").unlink()
    refused = machine.run(bootstrap(case_on("flatcar", containerd_version="2.0").joined(0), 4))
    assert "containerd 1.6.36 is part of the image" in refused.stderr and not machine.called("kubeadm join")


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_is_written_below_usr(system: str) -> None:
    case = case_on(system)
    config = {file["path"]: file["content"] for file in bootstrap(case).files}["/etc/jeroboam/kubeadm.yaml"]
    init, cluster, *_ = yaml.safe_load_all(config)
    kubelet = {each["name"]: each["value"] for each in init["nodeRegistration"]["kubeletExtraArgs"]}
    manager = {each["name"]: each["value"] for each in cluster["controllerManager"]["extraArgs"]}
    assert kubelet["volume-plugin-dir"] == manager["flex-volume-plugin-dir"]
    assert kubelet["volume-plugin-dir"].startswith("/opt/")


@pytest.mark.parametrize("system", SYSTEMS)
def test_user_data_is_ignition_that_holds_updates(system: str, tmp_path: Path) -> None:
    case = case_on(system)
    text = case.user_data(case.nodes[0])
    assert ignition_validate(text, tmp_path / "config.ign") == ""
    paths = {file["path"] for file in json.loads(text)["storage"]["files"]}
    assert paths & {"/etc/zincati/config.d/90-jeroboam.toml", "/etc/flatcar/update.conf"}


def test_masters_cannot_share_an_address_there() -> None:
    case = make_case(driver_on("flatcar"), "vip")
    (problem,) = problems(case)
    assert problem.startswith("master_lb_enabled: ") and "keepalived" in problem
    ubuntu = replace(case, masters=replace(case.masters, operating_system="ubuntu"))
    assert problems(ubuntu) == []
