"""An engine, an operating system and a kind of hardware in one file.

The engine is a replicated web page: the first master creates a join token, every other node joins with it. It shares
nothing with Kubernetes, and imports `jeroboam.driver` alone, as any package outside Jeroboam does.
"""

from __future__ import annotations

import json
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
    Engine,
    EngineDefaults,
    Fact,
    Hardware,
    HardwareDefaults,
    Infrastructure,
    InfrastructureLabels,
    LabelSpec,
    MachineSetup,
    NodeAction,
    NodeCertificate,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    OperatingSystem,
    Removal,
    Rule,
    Secret,
    SecretKind,
    described,
    joined_masters,
    make_client_certificate,
    masters,
)

PAGES, STATUS = 8080, 8081
_NODE = """#!/bin/sh
set -eu
. /etc/pages/node.env
install-pages "$VERSION"
[ -n "$JOIN_TOKEN" ] || pages init
[ -z "$JOIN_TOKEN" ] || pages join --token "$JOIN_TOKEN" "$FIRST"
"""
_FACTS = """#!/bin/sh
echo "join_token=$(pages token)"
"""


class Labels(InfrastructureLabels):
    """The engine's own label, besides those of the infrastructure."""

    pages_version: str = described("1.0", "version of the pages", pattern=r"^[0-9]+\.[0-9]+$")


class PagesEngine(EngineDefaults):
    name = "example"
    coes: Sequence[str] = ("example",)
    secrets: Mapping[str, SecretKind] = {"pages": SecretKind.CA}
    authorities: Mapping[str, str] = {"pages": "pages"}
    facts: Mapping[str, Fact] = {"join_token": Fact(secret=True)}
    capabilities = frozenset(Capability) - {Capability.ROTATE_CREDENTIALS}
    network_drivers: Sequence[str] = ("bridge",)

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.name in ("example-os", "ubuntu") and hardware.name in ("vm", "rack")

    def labels(self) -> Sequence[LabelSpec]:
        return Labels.specs()

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return [text for group in (None, *nodegroups) for text in Labels.problems(cluster, group)]

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        return Infrastructure([PAGES, STATUS], {MASTER: [], WORKER: [Rule("tcp", EVERYWHERE, PAGES)]})

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        first = masters(context.nodes)[0]
        token = context.facts.get(first.uuid, {}).get("join_token", "")
        if context.node.uuid != first.uuid and not token:
            return NotYet(f"waiting for the join token of {first.name}", 1)
        settings = {
            "VERSION": self.version(context.cluster),
            "JOIN_TOKEN": "" if context.node.uuid == first.uuid else token,
            "FIRST": str(context.base_outputs["api_private_address"]),
        }
        environment = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        return Bootstrap(
            _NODE,
            [
                {"path": "/etc/pages/node.env", "content": environment, "mode": "0600"},
                {"path": "/etc/jeroboam/facts", "content": _FACTS, "mode": "0755"},
            ],
        )

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        return NodeCertificate("pages", node.name, ["pages"])

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"https://{base_outputs['api_address']}:{PAGES}"

    def version(self, cluster: ClusterSpec) -> str:
        return Labels.read(cluster).pages_version

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
        client = make_client_certificate(secrets["pages"], user=user, groups=[access], now=now, lifetime=lifetime)
        files = {"cert.pem": client.certificate or "", "key.pem": client.secret}
        return ClientConfig(files, {"PAGES_URL": api_address, "PAGES_CERTS": "{directory}"}, [access], lifetime)

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        target = labels.get("pages_version", "1.0")
        return [] if target >= self.version(cluster) else ["label pages_version: it is older"]

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return {**cluster.labels, "pages_version": labels.get("pages_version", "1.0")}

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "install", {"version": self.version(cluster)})]

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "bootstrap", {"part": "certificates"})]

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        """Workers serve copies, so nothing has to move; a master hands its pages over first."""
        going = {node.uuid for node in leaving}
        helpers = [node for node in joined_masters(nodes) if node.uuid not in going]
        idle = frozenset(node.uuid for node in leaving if not node.is_master)
        moving = [node for node in leaving if node.is_master]
        if not helpers:
            return Drain((), idle, {node.uuid: "no other master works" for node in moving})
        commands = [
            Removal(NodeAction(helpers[0].uuid, "take-over", {"node": node.name, "timeout": seconds}), (node.uuid,))
            for node in moving
        ]
        return Drain(commands, idle)


class ExampleOs:
    """A system whose first boot reads one JSON document."""

    name = "example-os"
    distros: Sequence[str] = ("example-os",)
    packages: str | None = None
    replaces_machines = False
    programs_directory = "/opt/bin"

    def user_data(self, machine: MachineSetup) -> str:
        files = [{"path": file.path, "content": file.content, "mode": file.mode} for file in machine.files]
        units = [{"path": f"/etc/units/{unit.name}", "content": unit.content} for unit in machine.units]
        keys = [machine.ssh_public_key] if machine.ssh_public_key else []
        return json.dumps({"hostname": machine.hostname, "write_files": files + units, "ssh_keys": keys})


class Rack(HardwareDefaults):
    """Machines without volumes and floating IPs, slower to start than VMs."""

    name = "rack"
    server_types: Sequence[str] = ("bm",)
    floating_ips = False
    volumes = False
    server_groups = False
    config_drive = True
    join_timeout_minutes: int | None = 90

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        if nodegroup.docker_volume_size:
            return [f"nodegroup {nodegroup.name}: docker_volume_size: no volumes can be attached to racks"]
        return []


engine: Engine = PagesEngine()
operating_system: OperatingSystem = ExampleOs()
hardware: Hardware = Rack()
