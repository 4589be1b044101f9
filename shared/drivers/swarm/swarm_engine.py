"""Docker Engine in swarm mode. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

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
    ClusterSpec,
    Drain,
    EngineDefaults,
    Fact,
    FieldProblem,
    Hardware,
    Infrastructure,
    KeyAlgorithm,
    LabelSpec,
    NodeAction,
    NodeCertificate,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    OperatingSystem,
    Rule,
    Secret,
    SecretKind,
    joined_masters,
)
from jeroboam.driver.label_types import parse_ports
from shared.drivers.hosts.plugins import VOLUME_DRIVERS
from shared.drivers.keys import KEY_ALGORITHM
from shared.drivers.swarm import bootstrap, client, labels, members, monitoring, node_labels, upgrade
from shared.drivers.swarm.labels import api_port, read_labels

ESP = "50"  # encrypted overlay networks
MOST_MANAGERS = 7  # more make writes slower and the swarm no safer; Docker's documentation


class SwarmEngine(EngineDefaults):
    name = "swarm"
    coes: Sequence[str] = ("swarm", "swarm-mode")
    secrets: Mapping[str, SecretKind] = {"cluster": SecretKind.CA, "vrrp": SecretKind.BOOTSTRAP_TOKEN}
    authorities: Mapping[str, str] = {"swarm": "cluster"}
    facts: Mapping[str, Fact] = {
        "docker_version": Fact(),
        "swarm_node": Fact(),
        "leader": Fact(),
        "worker_token": Fact(secret=True),
        "manager_token": Fact(secret=True),
    }
    version_fact: str | None = "docker_version"
    capabilities = frozenset(Capability) - {Capability.ROTATE_CREDENTIALS}
    resizes_masters: bool = True
    replaces_masters: bool = True
    network_drivers: Sequence[str] = ("docker", "overlay", "host")
    volume_drivers: Sequence[str] = VOLUME_DRIVERS

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.packages == "apt" or operating_system.name in IMAGE_BASED

    def labels(self) -> Sequence[LabelSpec]:
        return labels.Labels.specs()

    def master_count_problem(self, count: int) -> str | None:
        if count % 2 == 0:
            return f"master nodegroup size of {count} is invalid, size cannot be an even number."
        if count > MOST_MANAGERS:
            return f"master nodegroup size of {count} is invalid, a swarm has at most {MOST_MANAGERS} managers."
        return None

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return labels.problems(cluster, nodegroups)

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        return node_labels.problems(labels, taints)

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        ports = parse_ports(read_labels(cluster).published_ports)
        published = [Rule(protocol, EVERYWHERE, *each) for each in ports for protocol in ("tcp", "udp")]
        return Infrastructure(
            [api_port(cluster)],
            {role: [Rule(ESP), *published] for role in (MASTER, WORKER)},
            # `docker run` creates, attaches and starts a container in separate calls; each manager has its own.
            sticky_clients=True,
        )

    def key_algorithm(self, cluster: ClusterSpec) -> KeyAlgorithm:
        return read_labels(cluster).key_algorithm

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        """Of managers' servers only: a client certificate would give a node root's rights on every manager."""
        return NodeCertificate("cluster", node.name, client=False, endpoint=True) if node.is_master else None

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"tcp://{base_outputs['api_address']}:{api_port(cluster)}"

    def version(self, cluster: ClusterSpec) -> str:
        """The version of the label; without it, nodes report the version that their image has."""
        return read_labels(cluster).docker_version or ""

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
        return client.render(
            api_address=api_address,
            authority=secrets["cluster"],
            user=user,
            access=access,
            now=now,
            lifetime=lifetime,
            grafana_password=monitoring.password(secrets, read_labels(cluster)),
        )

    def label_change_problems(self, cluster: ClusterSpec, wanted: Mapping[str, str]) -> list[str]:
        return labels.Labels.fixed_changes(
            cluster.labels,
            wanted,
            version=upgrade.LABEL,
            free=(labels.Labels.of_machines - {upgrade.LABEL}) | {KEY_ALGORITHM},
        )

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return upgrade.problems(cluster, labels)

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return upgrade.upgraded_labels(cluster, labels)

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return upgrade.actions(cluster, node, nodes)

    def rolling_order(self, nodes: Sequence[NodeSpec], facts: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
        return upgrade.order(nodes, facts)

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        """Only managers serve the API; Swarm's own authority is rotated by `trust_refresh`."""
        return [NodeAction(node.uuid, "bootstrap", {"part": "certificates"})] if node.is_master else []

    def trust_refresh(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "rotate-swarm-ca") for node in joined_masters(nodes)[:1]]

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        return members.drain(leaving, nodes, seconds)

    def settling(
        self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        return members.settle(cluster, nodegroups, nodes)

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        changed = node_labels.availability(old_taints) != node_labels.availability(nodegroup.node_taints)
        return members.relabelling(nodegroup, nodes, old_labels, changed=changed)
