"""Generated kubeadm configuration against kubeadm's documented types, and what it says."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from jeroboam.driver import Bootstrap, NotYet
from jeroboam.testing.cases import MODES, Case, make_case
from tests.support import kubeadm_types
from tests.support.kubernetes import driver, engine


def config(found: Bootstrap) -> dict[str, Any]:
    text = next(file["content"] for file in found.files if file["path"] == "/etc/jeroboam/kubeadm.yaml")
    return kubeadm_types.read(text)


def configs(case: Case) -> list[dict[str, Any]]:
    """Of all nodes in the order in which they come up."""
    return [config(found) for _, found in case.bootstraps()]


def arguments(component: Any) -> dict[str, str]:
    return {each.name: each.value for each in component}


@pytest.mark.parametrize("mode", MODES)
def test_documents_are_what_kubeadm_documents(mode: str) -> None:
    case = make_case(driver, mode)
    first, *others = configs(case)
    assert first.keys() == {
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    }
    assert all(each.keys() == {"JoinConfiguration"} for each in others)
    masters = [each for each in others if each["JoinConfiguration"].controlPlane is not None]
    assert len(masters) == len([node for node in case.nodes if node.role == "master"]) - 1


def test_the_types_are_strict() -> None:
    text = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.34.2\n"
    kubeadm_types.read(text)
    for wrong in ("networking: {podSubnett: 10.0.0.0/8}", "apiServer: {extraArgs: {v: '2'}}", "clusterName: 7"):
        with pytest.raises(ValidationError):
            kubeadm_types.read(text + wrong)


def test_the_cluster_is_as_its_labels_say() -> None:
    case = make_case(driver, "octavia").with_labels(
        kube_tag="v1.35.1",
        pods_network_cidr="10.128.0.0/14",
        service_cluster_ip_range="172.30.0.0/16",
        dns_cluster_domain="k8s.example.org",
        container_infra_prefix="registry.example.org/mirror",
        kubeapi_options="--audit-log-path=/var/log/audit --profiling",
        kubecontroller_options="--terminated-pod-gc-threshold=100",
        kubescheduler_options="--v=3",
        kube_proxy_mode="nftables",
    )
    first = configs(case)[0]
    cluster = first["ClusterConfiguration"]
    assert cluster.kubernetesVersion == "v1.35.1"
    assert cluster.clusterName == "Team-A-s-k8s"
    assert cluster.controlPlaneEndpoint == "10.0.0.4:6443"
    assert cluster.imageRepository == "registry.example.org/mirror"
    assert (cluster.networking.podSubnet, cluster.networking.serviceSubnet) == ("10.128.0.0/14", "172.30.0.0/16")
    assert {"203.0.113.7", "10.0.0.4", "10.0.0.10", "10.0.0.12", "127.0.0.1"} <= set(cluster.apiServer.certSANs)
    assert arguments(cluster.apiServer.extraArgs) == {"audit-log-path": "/var/log/audit", "profiling": "true"}
    assert arguments(cluster.controllerManager.extraArgs) == {
        "node-cidr-mask-size": "24",
        "cluster-signing-cert-file": "/etc/kubernetes/pki/ca-signing.crt",
        "terminated-pod-gc-threshold": "100",
    }
    assert arguments(cluster.scheduler.extraArgs) == {"v": "3"}
    assert first["KubeletConfiguration"].clusterDNS == ["172.30.0.10"]
    assert first["KubeProxyConfiguration"].mode == "nftables"
    token = first["InitConfiguration"].bootstrapTokens[0]
    assert (token.token, token.ttl) == (None, "1m0s"), "kubeadm makes it, for itself"


def test_a_node_is_registered_with_its_groups_labels_and_taints() -> None:
    case = make_case(driver, "vip").with_labels(kubelet_options="--max-pods=50")
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    case = replace(case, workers=replace(case.workers, node_labels={"disk": "ssd"}, node_taints=[taint]))
    found = {node.name: each for (node, _), each in zip(case.bootstraps(), configs(case), strict=True)}
    worker = found["k8s-worker-1"]["JoinConfiguration"].nodeRegistration
    assert worker.name == "k8s-worker-1"
    assert arguments(worker.kubeletExtraArgs) == {
        "node-labels": "magnum.openstack.org/role=worker,magnum.openstack.org/nodegroup=default-worker,disk=ssd",
        "cloud-provider": "external",
        "node-ip": "10.0.1.11",
        "max-pods": "50",
    }
    assert [taint.key for taint in worker.taints] == ["gpu"]
    master = found["k8s-master-2"]["JoinConfiguration"]
    assert [taint.key for taint in master.nodeRegistration.taints] == ["node-role.kubernetes.io/control-plane"]
    assert master.controlPlane.localAPIEndpoint.advertiseAddress == "10.0.0.12"


def test_without_a_credential_no_node_waits_for_a_cloud() -> None:
    case = make_case(driver)
    node = case.nodes[0]
    without = engine.bootstrap(case.context(node, cloud=False))
    disabled = engine.bootstrap(case.with_labels(cloud_provider_enabled="False").context(node))
    for found in (without, disabled):
        assert isinstance(found, Bootstrap)
        registration = config(found)["InitConfiguration"].nodeRegistration
        assert "cloud-provider" not in arguments(registration.kubeletExtraArgs)
        assert not [file for file in found.files if "cloud" in file["path"]]


def test_a_node_joins_with_its_own_certificate_and_no_token() -> None:
    case = make_case(driver, "octavia").joined(0)
    old = case.secrets["kubernetes"]
    bundle = f"{old.certificate}ANOTHER\n"
    for place in (1, 4):
        context = case.context(case.nodes[place])
        secrets = {**context.secrets, "kubernetes": replace(old, certificate=bundle)}
        found = engine.bootstrap(replace(context, secrets=secrets))
        assert isinstance(found, Bootstrap)
        discovery = config(found)["JoinConfiguration"].discovery
        assert (discovery.bootstrapToken, discovery.tlsBootstrapToken) == (None, None)
        (file,) = [each for each in found.files if each["path"] == discovery.file.kubeConfigPath]
        kubeconfig = yaml.safe_load(file["content"])
        cluster = kubeconfig["clusters"][0]["cluster"]
        assert cluster["server"] == "https://10.0.0.4:6443"
        assert base64.b64decode(cluster["certificate-authority-data"]).decode() == bundle, "all that are trusted now"
        assert kubeconfig["users"][0]["user"] == {
            "client-certificate": "/etc/jeroboam/join.crt",
            "client-key": "/etc/jeroboam/join.key",
        }


def test_no_node_joins_before_its_certificate_can_be_signed() -> None:
    case = make_case(driver, "octavia").joined(0)
    nodes = [replace(node, ip_address=None) if place == 4 else node for place, node in enumerate(case.nodes)]
    found = engine.bootstrap(case.with_nodes(nodes).context(nodes[4]))
    assert found == NotYet("the node's address is not known yet, so no certificate can be signed for it", 5)
