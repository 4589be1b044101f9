"""Apache Mesos with Marathon. See `jeroboam.driver.engine.Engine` for the meaning of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from jeroboam.driver import (
    EVERYWHERE,
    MASTER,
    WORKER,
    Access,
    Bootstrap,
    BootstrapContext,
    ClientConfig,
    ClusterSpec,
    Fact,
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
from shared.drivers.hosts.plugins import VOLUME_DRIVERS
from shared.drivers.mesos import bootstrap, client, labels, monitoring, monitoring_apps
from shared.drivers.mesos.credentials import SECRET
from shared.drivers.mesos.labels import MASTER_PORT, marathon_port, read_labels
from shared.drivers.mesos_agents.agents_engine import AgentsEngine

MASTER_COUNTS = (1, 3, 5)


class MesosEngine(AgentsEngine):
    name = "mesos"
    coes: Sequence[str] = ("mesos",)
    secrets: Mapping[str, SecretKind] = {SECRET: SecretKind.BOOTSTRAP_TOKEN}
    authorities: Mapping[str, str] = {}
    facts: Mapping[str, Fact] = {"mesos_version": Fact()}
    version_fact: str | None = "mesos_version"
    volume_drivers: Sequence[str] = VOLUME_DRIVERS

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

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        ports = parse_ports(read_labels(cluster).published_ports)
        published = [Rule(protocol, EVERYWHERE, *each) for each in ports for protocol in ("tcp", "udp")]
        return Infrastructure(
            [marathon_port(cluster), MASTER_PORT], {MASTER: [], WORKER: published}, without_containers={MASTER}
        )

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
            marathon_port=marathon_port(cluster),
            secrets=secrets,
            access=access,
            lifetime=lifetime,
            grafana_password=monitoring_apps.password(secrets, read_labels(cluster)),
        )

    def settling(
        self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        noted = super().settling(cluster, nodegroups, nodes)
        return [*noted, *monitoring.settle(read_labels(cluster), nodegroups, nodes)]

    def label_change_problems(self, cluster: ClusterSpec, wanted: Mapping[str, str]) -> list[str]:
        return labels.Labels.fixed_changes(cluster.labels, wanted, free=labels.Labels.of_machines)
