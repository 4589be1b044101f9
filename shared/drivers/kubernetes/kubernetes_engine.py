"""Kubernetes, installed by kubeadm. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jeroboam.driver import (
    EVERYWHERE,
    IMAGE_BASED,
    MASTER,
    WORKER,
    Access,
    Bootstrap,
    BootstrapContext,
    Capability,
    ClientConfig,
    ClusterHealth,
    ClusterSpec,
    DataVolume,
    Drain,
    EngineDefaults,
    FieldProblem,
    Hardware,
    Impossible,
    Infrastructure,
    KeyAlgorithm,
    LabelSpec,
    NodeAction,
    NodeCertificate,
    NodegroupSpec,
    NodeHealth,
    NodeSpec,
    NotYet,
    OperatingSystem,
    Rule,
    Secret,
    SecretKind,
)
from shared.drivers.kubernetes import (
    bootstrap,
    certificates,
    health,
    kubeconfig,
    label_changes,
    members,
    node_labels,
    shape,
    upgrade,
)
from shared.drivers.kubernetes.addons import monitoring
from shared.drivers.kubernetes.labels import DEFAULT_VERSION, Labels, api_port, read_labels
from shared.drivers.kubernetes.pki import PASSWORDS

NODE_PORTS = (30000, 32767)
IP_IN_IP = "4"


class KubernetesEngine(EngineDefaults):
    name = "kubernetes"
    coes: Sequence[str] = ("kubernetes",)
    secrets: Mapping[str, SecretKind] = {
        "kubernetes": SecretKind.CA,
        "etcd": SecretKind.CA,
        "front_proxy": SecretKind.CA,
        "service_account": SecretKind.KEY_PAIR,
        PASSWORDS: SecretKind.BOOTSTRAP_TOKEN,
    }
    # Until passwords had a secret of their own, they were derived from this key, which was never replaced.
    former_secrets: Mapping[str, str] = {PASSWORDS: "service_account"}
    authorities: Mapping[str, str] = {
        "kubernetes": "kubernetes",
        "etcd": "etcd",
        "front_proxy": "front_proxy",
        "front-proxy": "front_proxy",
    }
    capabilities = frozenset(Capability)
    release_labels: Mapping[str, str] = {"kube_tag": DEFAULT_VERSION}
    network_drivers: Sequence[str] = ("flannel", "calico", "cilium")
    volume_drivers: Sequence[str] = ("cinder",)
    replaces_masters: bool = True

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.packages == "apt" or operating_system.name in IMAGE_BASED

    def labels(self) -> Sequence[LabelSpec]:
        return Labels.specs()

    def master_count_problem(self, count: int) -> str | None:
        if count % 2 == 0:
            return f"master nodegroup size of {count} is invalid, size cannot be an even number."
        return None

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return shape.problems(cluster, nodegroups)

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        return node_labels.problems(labels, taints)

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        labels = read_labels(cluster)
        both = [Rule(IP_IN_IP)] if labels.network_driver == "calico" else []
        node_ports = [Rule(protocol, EVERYWHERE, *NODE_PORTS) for protocol in ("tcp", "udp")]
        return Infrastructure(
            endpoint_ports=[api_port(cluster)],
            rules={MASTER: both, WORKER: [*both, *node_ports]},
            address_pairs=[labels.pods_network_cidr],
            health_path=labels.health_path,
            volumes={MASTER: _volumes(cluster, nodegroups)},
        )

    def key_algorithm(self, cluster: ClusterSpec) -> KeyAlgorithm:
        return read_labels(cluster).key_algorithm

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        labels = read_labels(cluster)
        if not labels.cloud_provider_enabled:
            return ()
        return ("member", "load-balancer_member") if cluster.load_balancer else ("member",)

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        return NodeCertificate("kubernetes", f"system:node:{node.name}", ["system:nodes"])

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"https://{base_outputs['api_address']}:{api_port(cluster)}"

    def version(self, cluster: ClusterSpec) -> str:
        return read_labels(cluster).kube_tag

    def client_config(
        self,
        cluster: ClusterSpec,
        *,
        api_address: str,
        secrets: Mapping[str, Secret],
        user: str,
        access: Access,
        now: datetime,
        lifetime: timedelta,
    ) -> ClientConfig:
        return kubeconfig.render(
            cluster.name,
            api_address=api_address,
            authority=secrets["kubernetes"],
            user=user,
            access=access,
            now=now,
            lifetime=lifetime,
            # What Magnum installed in an imported cluster has a password of its own, and its labels are not checked.
            grafana_password=None if self.adopted else monitoring.password(secrets, read_labels(cluster)),
        )

    def health(self, cluster: ClusterSpec, nodes: Sequence[NodeHealth]) -> ClusterHealth:
        return health.measure(nodes)

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return label_changes.problems(cluster, labels)

    def upgrades_in_place(self, operating_system: OperatingSystem) -> bool:
        """The programs that an upgrade replaces are not part of any image."""
        return True

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return upgrade.problems(cluster, labels)

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return upgrade.upgraded_labels(cluster, labels)

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return upgrade.actions(cluster, node, nodes)

    def add_on_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        return members.add_on_actions(nodes)

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return certificates.actions(node)

    def trust_refresh(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return certificates.trust_refresh(nodes)

    def credential_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        return members.credential_actions(nodes)

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        return members.drain(leaving, nodes, seconds)

    def master_change(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return members.master_change(nodes)

    def forget(
        self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec], *, seconds: int
    ) -> NodeAction | Impossible | None:
        return members.forget(node, nodes, seconds)

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        return members.relabelling(nodegroup, nodes, old_labels, old_taints)


def _volumes(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[DataVolume]:
    """etcd's volume of each master, if there is one; the labels are those of the masters' nodegroup."""
    group = next((group for group in nodegroups if group.role == MASTER), None)
    labels = read_labels(cluster, group)
    if not labels.etcd_volume_size:
        return []
    return [DataVolume("etcd", "etcd_volume_size", labels.etcd_volume_size, labels.etcd_volume_type)]
