"""DC/OS, experimental. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from jeroboam.driver import (
    BOOTSTRAP,
    EVERYWHERE,
    MASTER,
    WORKER,
    Access,
    Bootstrap,
    BootstrapContext,
    ClientConfig,
    ClusterSpec,
    DefaultNodegroup,
    Fact,
    Hardware,
    Infrastructure,
    LabelSpec,
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
from shared.drivers.dcos import bootstrap, client, labels
from shared.drivers.dcos.labels import API_PORT, MASTER_COUNTS, PUBLIC, REDIRECT_PORT, Labels, read_labels
from shared.drivers.mesos_agents.agents_engine import AgentsEngine


class DcosEngine(AgentsEngine):
    name = "dcos"
    coes: Sequence[str] = ("dcos",)
    beta = True
    secrets: Mapping[str, SecretKind] = {client.ACCOUNT: SecretKind.KEY_PAIR}
    facts: Mapping[str, Fact] = {"dcos_version": Fact()}
    version_fact: str | None = "dcos_version"

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

    def own_attributes(self, nodegroup: NodegroupSpec) -> Mapping[str, str]:
        return bootstrap.own_attributes(nodegroup)

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return labels.problems(cluster, nodegroups)

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        ports = parse_ports(read_labels(cluster).published_ports)
        published = [Rule(protocol, EVERYWHERE, *each) for each in ports for protocol in ("tcp", "udp")]
        rules: Mapping[str, Sequence[Rule]] = {MASTER: [], WORKER: [], PUBLIC: published, BOOTSTRAP: []}
        return Infrastructure([API_PORT, REDIRECT_PORT], rules, without_containers={MASTER, BOOTSTRAP})

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        return bootstrap.render(context, read_labels(context.cluster, context.nodegroup))

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
        return Labels.fixed_changes(cluster.labels, wanted, free=Labels.of_machines)
