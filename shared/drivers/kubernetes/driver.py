"""The Kubernetes driver for virtual machines with Ubuntu: kubeadm and containerd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.domain.clock import utc_now
from shared.domain.states import OperationKind
from shared.drivers.agent.user_data import cloud_config
from shared.drivers.base import (
    Bootstrap,
    BootstrapContext,
    ClientConfig,
    ClusterSpec,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    Removal,
    Secret,
    SecretKind,
    Template,
)
from shared.drivers.kubernetes import (
    base_stack,
    bootstrap,
    certificates,
    kubeconfig,
    label_changes,
    members,
    shape,
    shard,
    upgrade,
)
from shared.drivers.kubernetes.labels import read_labels


class KubernetesUbuntuDriver:
    """See `shared.drivers.base.Driver` for the meaning of each method."""

    name = "kubernetes-ubuntu"
    coe = "kubernetes"
    os_distros: Sequence[str] = ("ubuntu",)
    server_types: Sequence[str] = ("vm",)
    secrets: Mapping[str, SecretKind] = {
        "kubernetes": SecretKind.CA,
        "etcd": SecretKind.CA,
        "front_proxy": SecretKind.CA,
        "service_account": SecretKind.KEY_PAIR,
        "bootstrap_token": SecretKind.BOOTSTRAP_TOKEN,
    }
    operations = frozenset(
        {
            OperationKind.RESIZE,
            OperationKind.UPGRADE,
            OperationKind.ROTATE_CA,
            OperationKind.ROTATE_CREDENTIALS,
            OperationKind.NODEGROUP_CREATE,
            OperationKind.NODEGROUP_UPDATE,
            OperationKind.NODEGROUP_DELETE,
        }
    )

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return shape.problems(cluster, nodegroups)

    def needs(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
        return shape.needs(cluster, nodegroups)

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        labels = read_labels(cluster)
        if not labels.cloud_provider_enabled:
            return ()
        return ("member", "load-balancer_member") if cluster.load_balancer else ("member",)

    def base_stack(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Template:
        return base_stack.render(cluster, nodegroups, read_labels(cluster))

    def shard_stack(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        user_data: Mapping[str, str],
        base_outputs: Mapping[str, Any],
    ) -> Template:
        return shard.render(cluster, nodegroup, nodes, user_data, base_outputs, read_labels(cluster, nodegroup))

    def user_data(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        node: NodeSpec,
        *,
        api_url: str,
        ca_pem: str | None,
        token: str,
    ) -> str:
        return cloud_config(
            node_id=node.uuid,
            node_name=node.name,
            api_url=api_url,
            ca_pem=ca_pem,
            token=token,
            ssh_public_key=cluster.ssh_public_key,
        )

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"https://{base_outputs['api_address']}:{cluster.apiserver_port}"

    def coe_version(self, cluster: ClusterSpec) -> str:
        return read_labels(cluster).kube_tag

    def container_version(self, cluster: ClusterSpec) -> str | None:
        # containerd comes from the distribution, so only a node can say which one it got.
        return None

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return label_changes.problems(cluster, labels)

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return upgrade.problems(cluster, labels)

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return upgrade.upgraded_labels(cluster, labels)

    def upgrade_actions(
        self, cluster: ClusterSpec, node: NodeSpec, masters: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        return upgrade.actions(cluster, node, masters)

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return certificates.actions(node)

    def trust_refresh(self, masters: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return certificates.trust_refresh(masters)

    def removals(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Sequence[Removal]:
        return members.removals(leaving, nodes, seconds)

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

    def client_config(
        self,
        cluster: ClusterSpec,
        *,
        api_address: str,
        secrets: Mapping[str, Secret],
        user: str,
        groups: Sequence[str],
        lifetime: timedelta,
    ) -> ClientConfig:
        return kubeconfig.render(
            cluster.name,
            api_address=api_address,
            authority=secrets["kubernetes"],
            user=user,
            groups=groups,
            now=utc_now(),
            lifetime=lifetime,
        )
