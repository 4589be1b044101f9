"""Apache Mesos with Marathon. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jeroboam.driver import (
    EVERYWHERE,
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
    LabelSpec,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    OperatingSystem,
    Rule,
    Secret,
    SecretKind,
)
from jeroboam.driver.label_types import parse_ports
from shared.drivers.mesos import bootstrap, client, labels
from shared.drivers.mesos.credentials import SECRET
from shared.drivers.mesos.labels import MASTER_PORT, marathon_port, read_labels
from shared.drivers.mesos_agents import attributes, members

MASTER_COUNTS = (1, 3, 5)


class MesosEngine(EngineDefaults):
    name = "mesos"
    coes: Sequence[str] = ("mesos",)
    secrets: Mapping[str, SecretKind] = {SECRET: SecretKind.BOOTSTRAP_TOKEN}
    authorities: Mapping[str, str] = {}
    facts: Mapping[str, Fact] = {"mesos_version": Fact()}
    version_fact: str | None = "mesos_version"
    # Mesos is part of the image, so that an upgrade would need other machines; without TLS there is no authority.
    capabilities = frozenset(
        {
            Capability.RESIZE,
            Capability.NODEGROUP_CREATE,
            Capability.NODEGROUP_UPDATE,
            Capability.NODEGROUP_DELETE,
        }
    )
    network_drivers: Sequence[str] = ("docker",)

    def labels(self) -> Sequence[LabelSpec]:
        return labels.Labels.specs()

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.packages == "apt"

    def master_count_problem(self, count: int) -> str | None:
        if count not in MASTER_COUNTS:
            return f"master nodegroup size of {count} is invalid, a Mesos cluster has 1, 3 or 5 masters."
        return None

    def founder(self, nodes: Sequence[NodeSpec]) -> NodeSpec | None:
        """None: a majority of the masters founds the cluster, and no single one is needed."""
        return None

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return labels.problems(cluster, nodegroups)

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        return attributes.problems(labels, taints)

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        ports = parse_ports(read_labels(cluster).published_ports)
        published = [Rule(protocol, EVERYWHERE, *each) for each in ports for protocol in ("tcp", "udp")]
        return Infrastructure([marathon_port(cluster), MASTER_PORT], {MASTER: [], WORKER: published})

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """The address alone, as in Magnum: its users' scripts append the ports of Mesos and Marathon."""
        return str(base_outputs["api_address"])

    def version(self, cluster: ClusterSpec) -> str:
        """Empty: nodes report the version that their image has."""
        return ""

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
            marathon_port=marathon_port(cluster),
            secrets=secrets,
            access=access,
            lifetime=lifetime,
        )

    def label_change_problems(self, cluster: ClusterSpec, wanted: Mapping[str, str]) -> list[str]:
        return labels.Labels.fixed_changes(cluster.labels, wanted, free=labels.Labels.of_machines)

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        return members.drain(leaving, nodes, seconds)

    def forget(
        self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec], *, seconds: int
    ) -> NodeAction | None:
        return members.forget(node, nodes, seconds)

    def settling(
        self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        return members.settle(nodes)

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        return members.relabelling(nodegroup, nodes, old_labels)
