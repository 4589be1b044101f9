"""The node script really run, on a machine whose programs write down how they were called."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from tests.support.kubernetes import driver, engine
from tests.support.node_machine import NodeMachine


def bootstrap(case: Case, place: int = 0) -> Bootstrap:
    found = engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    return found


@pytest.fixture
def machine(tmp_path: Path) -> NodeMachine:
    return NodeMachine(tmp_path)


def kubeadm(machine: NodeMachine) -> list[str]:
    """The subcommands that change something, in order."""
    return [call.split()[1] for call in machine.called("kubeadm") if call.split()[1] in ("init", "join", "reset")]


def test_the_first_master_makes_the_cluster(machine: NodeMachine) -> None:
    case = make_case(driver, "octavia")
    done = machine.run(bootstrap(case))
    assert done.returncode == 0, done.stderr
    assert kubeadm(machine) == ["init"]
    assert machine.called("kubeadm init")[0].endswith("/etc/jeroboam/kubeadm.yaml --skip-token-print")
    assert "front-proxy-ca.key" in (machine.fake / "seen-by-kubeadm").read_text()
    key = machine.root / "etc/kubernetes/pki/etcd/ca.key"
    assert key.read_text() == case.secrets["etcd"].secret
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert 'sandbox_image = "registry.test/pause:3.10"' in machine.text("etc/containerd/config.toml")
    assert "# /swap.img" in machine.text("etc/fstab")
    assert machine.called("modprobe") == ["modprobe overlay", "modprobe br_netfilter"]
    applied = (machine.fake / "applied").read_text()
    assert "registry.test/provider-os/openstack-cloud-controller-manager:v1.34.0" in applied
    assert "@REGISTRY@" not in applied
    assert not machine.called("apt-get")
    assert not list((machine.root / "etc/jeroboam/addons").glob("*.now"))


def test_it_can_run_again(machine: NodeMachine) -> None:
    found = bootstrap(make_case(driver, "octavia"))
    machine.run(found)
    again = machine.run(found)
    assert again.returncode == 0, again.stderr
    assert kubeadm(machine) == []
    assert "systemctl restart containerd" not in machine.calls
    assert machine.called("kubectl apply"), "a changed label is rolled out by running it again"


def test_what_was_left_half_made_is_reset_once(machine: NodeMachine) -> None:
    found = bootstrap(make_case(driver, "octavia"))
    machine.set("kubeadm-breaks")
    failed = machine.run(found)
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-2:] == ["error: etcd is not healthy", "jeroboam: kubeadm init failed"]
    machine.unset("kubeadm-breaks")
    assert machine.run(found).returncode == 0
    assert kubeadm(machine) == ["reset", "init"]
    assert "ca.key" in (machine.fake / "seen-by-kubeadm").read_text(), "a reset takes the keys; they are laid again"


def test_a_member_is_never_reset(machine: NodeMachine) -> None:
    found = bootstrap(make_case(driver, "octavia"))
    machine.run(found)
    machine.set("api-is-away")
    failed = machine.run(found)
    assert failed.returncode != 0
    assert "the API server is not ready" in failed.stderr
    assert kubeadm(machine) == []
    assert machine.text("etc/kubernetes/pki/ca.key")


def test_a_member_is_not_upgraded_from_here(machine: NodeMachine) -> None:
    case = make_case(driver)
    machine.run(bootstrap(case))
    later = machine.run(bootstrap(case.with_labels(kube_tag="v1.35.0")))
    assert later.returncode == 0, later.stderr
    assert kubeadm(machine) == []
    assert not machine.called("apt-get")


def test_a_worker_joins_without_keys(machine: NodeMachine) -> None:
    case = make_case(driver, "octavia").joined(0)
    done = machine.run(bootstrap(case, 4))
    assert done.returncode == 0, done.stderr
    assert kubeadm(machine) == ["join"]
    assert "ca.crt" not in (machine.fake / "seen-by-kubeadm").read_text(), "kubeadm refuses to find one there"
    assert not list(machine.root.rglob("*.key")), "the one it joined with is deleted"
    assert not list(machine.root.rglob("join.crt"))
    requests = [call for call in machine.called("curl") if call.endswith("/csr")]
    assert len(requests) == 1
    assert machine.calls.index(requests[0]) < machine.calls.index(machine.called("kubeadm join")[0])
    assert not machine.called("kubectl apply")
    assert " get node k8s-worker-1 " in machine.called("kubectl --kubeconfig")[-1]


def test_a_node_that_never_gets_ready_says_what_kubernetes_says(machine: NodeMachine) -> None:
    machine.set("ready", "False container runtime network not ready: cni plugin not initialized")
    failed = machine.run(bootstrap(make_case(driver)))
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-1] == (
        "jeroboam: the node is not ready: False container runtime network not ready: cni plugin not initialized"
    )


@pytest.mark.parametrize(("version", "named"), [("", "no kubeadm"), ("v1.33.1", "v1.33.1 kubeadm")])
def test_an_image_without_the_right_kubeadm_names_the_label(tmp_path: Path, version: str, named: str) -> None:
    machine = NodeMachine(tmp_path, version=version)
    failed = machine.run(bootstrap(make_case(driver)))
    assert failed.returncode != 0
    said = failed.stderr.splitlines()[-1]
    assert named in said and "v1.34.2" in said and "set the label kubernetes_apt_mirror" in said
    assert kubeadm(machine) == []


def test_packages_come_from_the_operators_mirror(tmp_path: Path) -> None:
    machine = NodeMachine(tmp_path, version="v1.33.1")
    case = make_case(driver).with_labels(kubernetes_apt_mirror="https://mirror.example.org/kubernetes/")
    done = machine.run(bootstrap(case))
    assert done.returncode == 0, done.stderr
    source = machine.text("etc/apt/sources.list.d/kubernetes.list")
    assert source == (
        "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] https://mirror.example.org/kubernetes/v1.34/deb/ /\n"
    )
    (install,) = [call for call in machine.called("apt-get") if " install " in call]
    assert install.endswith("install kubeadm=1.34.2-* kubelet=1.34.2-* kubectl=1.34.2-*")
    assert "apt-mark hold kubeadm kubelet kubectl" in machine.calls
    machine.set("curl-fails", "curl: (22) The requested URL returned error: 404")
    machine.set("version", "v1.33.1")
    (machine.root / "var/lib/jeroboam/member").unlink()
    failed = machine.run(bootstrap(case))
    assert "label kubernetes_apt_mirror: https://mirror.example.org/kubernetes/v1.34/deb/Release.key" in failed.stderr


def test_masters_take_their_shared_address_before_kubeadm_needs_it(machine: NodeMachine) -> None:
    done = machine.run(bootstrap(make_case(driver, "vip")))
    assert done.returncode == 0, done.stderr
    assert "interface ens3\n" in machine.text("etc/keepalived/keepalived.conf")
    calls = machine.calls
    init = next(i for i, call in enumerate(calls) if call.startswith("kubeadm init"))
    assert calls.index("systemctl reload-or-restart keepalived") < init
    assert stat.S_IMODE((machine.root / "etc/keepalived/keepalived.conf").stat().st_mode) == 0o600


def test_the_container_volume_is_the_blank_disk_of_its_size(machine: NodeMachine) -> None:
    case = make_case(driver)
    case = replace(case, masters=replace(case.masters, docker_volume_size=20))
    assert machine.run(bootstrap(case)).returncode == 0
    assert machine.called("mkfs") == ["mkfs.ext4 -q -L containers /dev/vdb"]
    assert machine.text("etc/fstab").count("LABEL=containers ") == 1
    assert machine.run(bootstrap(case)).returncode == 0
    machine.unset("mounted")
    assert machine.run(bootstrap(case)).returncode == 0
    assert not machine.called("mkfs"), "what is on it stays"
    assert machine.text("etc/fstab").count("LABEL=containers ") == 1


def test_what_writes_to_a_volume_waits_for_it_at_every_boot(machine: NodeMachine) -> None:
    case = make_case(driver)
    case = replace(case, masters=replace(case.masters, docker_volume_size=20))
    assert machine.run(bootstrap(case)).returncode == 0
    unit = "etc/systemd/system/containerd.service.d/20-jeroboam-volume.conf"
    assert machine.text(unit) == "[Unit]\nRequiresMountsFor=/var/lib/containerd\n"
    stopped = machine.calls.index("systemctl stop containerd.socket containerd.service")
    assert stopped < next(place for place, call in enumerate(machine.calls) if call.startswith("mount "))
    assert machine.run(bootstrap(case)).returncode == 0
    assert not machine.called("systemctl stop"), "it is mounted"


def test_etcd_has_a_volume_of_its_own_before_kubeadm_runs(machine: NodeMachine) -> None:
    case = make_case(driver).with_labels(etcd_volume_size="20")
    lost = machine.root / "var/lib/etcd/lost+found"
    lost.mkdir(parents=True)
    assert machine.run(bootstrap(case)).returncode == 0
    assert machine.called("mkfs") == ["mkfs.ext4 -q -L etcd /dev/vdb"]
    assert "LABEL=etcd " in machine.text("etc/fstab") and "LABEL=containers" not in machine.text("etc/fstab")
    assert not lost.exists() and lost.parent.stat().st_mode & 0o777 == 0o700
    assert "etc/systemd/system/kubelet.service.d/20-jeroboam-volume.conf" in str(
        [path.relative_to(machine.root) for path in machine.root.rglob("20-jeroboam-volume.conf")]
    )
    mounted = next(place for place, call in enumerate(machine.calls) if call.startswith("mount "))
    assert mounted < next(place for place, call in enumerate(machine.calls) if call.startswith("kubeadm init"))
    machine.unset("mounted")
    assert machine.run(bootstrap(case)).returncode == 0
    assert not machine.called("mount "), "nothing is mounted over a member's data"


def test_a_cluster_that_was_created_before_has_no_volume_for_etcd(
    machine: NodeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(driver).with_labels(etcd_volume_size="20")
    outputs = {name: value for name, value in case.outputs().items() if name != "etcd_volume"}
    assert case.outputs()["etcd_volume"] == 20
    monkeypatch.setattr(Case, "outputs", lambda _: outputs)
    assert machine.run(bootstrap(case)).returncode == 0
    assert not machine.called("mkfs") and not machine.called("mount ")


def test_workers_have_no_volume_for_etcd(machine: NodeMachine) -> None:
    case = make_case(driver).with_labels(etcd_volume_size="20").joined(0)
    found = engine.bootstrap(case.context(case.nodes[1]))
    assert isinstance(found, Bootstrap)
    assert machine.run(found).returncode == 0
    assert not machine.called("mkfs") and not machine.called("mount ")


def test_the_operators_manifests_are_applied_last(machine: NodeMachine) -> None:
    case = make_case(driver).with_cluster(network_driver="calico")
    case = case.with_labels(
        cni_manifest_url="https://mirror.example.org/calico.yaml",
        post_install_manifest_url="https://mirror.example.org/more.yaml",
    )
    done = machine.run(bootstrap(case))
    assert done.returncode == 0, done.stderr
    fetched = [call.split()[-1] for call in machine.called("curl")]
    assert fetched == ["https://mirror.example.org/calico.yaml", "https://mirror.example.org/more.yaml"]
    assert (machine.fake / "applied").read_text().endswith("fetched\nfetched\n")


def test_add_ons_of_another_version_are_applied_without_touching_the_node(machine: NodeMachine) -> None:
    case = make_case(driver, "octavia")
    refused = machine.run(bootstrap(case, 0), part="add-ons")
    assert "this node is not a member of its cluster" in refused.stderr
    assert machine.run(bootstrap(case, 0)).returncode == 0
    (machine.fake / "applied").unlink()
    done = machine.run(bootstrap(case.with_labels(kube_tag="v1.35.0").joined(0), 0), part="add-ons")
    assert done.returncode == 0, done.stderr
    applied = (machine.fake / "applied").read_text()
    for name in ("openstack-cloud-controller-manager", "cinder-csi-plugin"):
        assert f"/{name}:v1.35.0" in applied and f"/{name}:v1.34.0" not in applied
    assert not machine.called("apt-get") and not machine.called("systemctl") and not machine.called("kubeadm join")
    machine.set("kubectl-apply-fails", "Error from server (Forbidden): daemonsets.apps is forbidden")
    failed = machine.run(bootstrap(case.joined(0), 0), part="add-ons")
    assert failed.returncode != 0
    assert ".yaml was rejected: Error from server (Forbidden): daemonsets.apps is forbidden" in failed.stderr
