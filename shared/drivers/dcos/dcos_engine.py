"""DC/OS, experimental. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jeroboam.driver import (
    BOOTSTRAP,
    EVERYWHERE,
    MASTER,
    WORKER,
    Access,
    Bootstrap,
    BootstrapContext,
    Capability,
    ClientConfig,
    ClusterSpec,
    DefaultNodegroup,
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
    Sizes,
)
from jeroboam.driver.label_types import parse_ports
from shared.drivers.dcos import bootstrap, client, labels, members
from shared.drivers.dcos.labels import API_PORT, MASTER_COUNTS, PUBLIC, REDIRECT_PORT, Labels, read_labels
from shared.drivers.mesos_agents import attributes


class DcosEngine(EngineDefaults):
    name = "dcos"
    coes: Sequence[str] = ("dcos",)
    beta = True
    secrets: Mapping[str, SecretKind] = {client.ACCOUNT: SecretKind.KEY_PAIR}
    facts: Mapping[str, Fact] = {"dcos_version": Fact()}
    version_fact: str | None = "dcos_version"
    # An upgrade needs another installer on every node, and there will be no newer release.
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
        return Labels.specs()

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.packages == "dnf"

    def master_count_problem(self, count: int) -> str | None:
        if count not in MASTER_COUNTS:
            return f"master nodegroup size of {count} is invalid, a DC/OS cluster has 1, 3, 5, 7 or 9 masters."
        return None

    def default_nodegroups(self, sizes: Sizes) -> Sequence[DefaultNodegroup]:
        """Masters, private agents, and the machine that they are installed from."""
        return [
            *super().default_nodegroups(sizes),
            DefaultNodegroup("default-bootstrap", BOOTSTRAP, 1, sizes.flavor_id, 1),
        ]

    def founder(self, nodes: Sequence[NodeSpec]) -> NodeSpec | None:
        """The bootstrap machine. A majority of the masters founds the cluster, and no single one is needed."""
        if bootstrap.bootstrap_machine(nodes) is not None:
            return None
        return next((node for node in nodes if node.role == BOOTSTRAP), None)

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return labels.problems(cluster, nodegroups)

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        return attributes.problems(labels, taints)

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        ports = parse_ports(read_labels(cluster).published_ports)
        published = [Rule(protocol, EVERYWHERE, *each) for each in ports for protocol in ("tcp", "udp")]
        rules: Mapping[str, Sequence[Rule]] = {MASTER: [], WORKER: [], PUBLIC: published, BOOTSTRAP: []}
        return Infrastructure([API_PORT, REDIRECT_PORT], rules)

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """The address alone, as in Magnum."""
        return str(base_outputs["api_address"])

    def version(self, cluster: ClusterSpec) -> str:
        """Empty: nodes report the version that they were installed with."""
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
            authenticated=read_labels(cluster).oauth_enabled,
            secrets=secrets,
            access=access,
            expires=now + lifetime,
            lifetime=lifetime,
        )

    def label_change_problems(self, cluster: ClusterSpec, wanted: Mapping[str, str]) -> list[str]:
        return Labels.fixed_changes(cluster.labels, wanted)

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
