"""The engine: masters with a join token, and workers that join with it.

The first master creates the token, every other node joins with it. The program `example` stands for that of a real
engine; a simulated node takes every script for successful and reports the declared facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    Infrastructure,
    InfrastructureLabels,
    LabelSpec,
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
from jeroboam.driver.scripts import FUNCTIONS

API, STATUS = 8080, 8081
VERSION = "example_version"
_NODE = """#!/bin/sh
set -eu
. /etc/example/node.env
install-example "$VERSION"
[ -n "$JOIN_TOKEN" ] || example init
[ -z "$JOIN_TOKEN" ] || example join --token "$JOIN_TOKEN" "$FIRST"
"""
_FACTS = """#!/bin/sh
echo "join_token=$(example token)"
"""
# What the agent runs for a command of that name: its arguments are lines NAME=VALUE on standard input.
_INSTALL = """#!/bin/sh
. /etc/jeroboam/functions.sh
read_arguments
install-example "$(argument version)"
"""
_TAKE_OVER = """#!/bin/sh
. /etc/jeroboam/functions.sh
read_arguments
example take-over --timeout "$(argument timeout)" "$(argument node)"
"""


class Labels(InfrastructureLabels):
    """The engine's own label, besides those of the infrastructure."""

    example_version: str = described("1.0", "version of the engine", pattern=r"^[0-9]+\.[0-9]+$")


class ExampleEngine(EngineDefaults):
    name = "example"
    coes: Sequence[str] = ("example",)
    secrets: Mapping[str, SecretKind] = {"example": SecretKind.CA}
    authorities: Mapping[str, str] = {"example": "example"}
    facts: Mapping[str, Fact] = {"join_token": Fact(secret=True)}
    capabilities = frozenset(Capability) - {Capability.ROTATE_CREDENTIALS}
    network_drivers: Sequence[str] = ("bridge",)

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return operating_system.name in ("example-os", "ubuntu") and hardware.name in ("vm", "example-rack")

    def labels(self) -> Sequence[LabelSpec]:
        return Labels.specs()

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return [text for group in (None, *nodegroups) for text in Labels.problems(cluster, group)]

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        return Infrastructure([API, STATUS], {MASTER: [], WORKER: [Rule("tcp", EVERYWHERE, API)]})

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
                {"path": "/etc/example/node.env", "content": environment, "mode": "0600"},
                {"path": "/etc/jeroboam/facts", "content": _FACTS, "mode": "0755"},
                {"path": "/etc/jeroboam/functions.sh", "content": FUNCTIONS, "mode": "0644"},
                {"path": "/etc/jeroboam/commands.d/install", "content": _INSTALL, "mode": "0755"},
                {"path": "/etc/jeroboam/commands.d/take-over", "content": _TAKE_OVER, "mode": "0755"},
            ],
        )

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        return NodeCertificate("example", node.name, ["example"])

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"https://{base_outputs['api_address']}:{API}"

    def version(self, cluster: ClusterSpec) -> str:
        return Labels.read(cluster).example_version

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
        client = make_client_certificate(secrets["example"], user=user, groups=[access], now=now, lifetime=lifetime)
        files = {"cert.pem": client.certificate or "", "key.pem": client.secret}
        return ClientConfig(files, {"EXAMPLE_URL": api_address, "EXAMPLE_CERTS": "{directory}"}, [access], lifetime)

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return Labels.fixed_changes(cluster.labels, labels, version=VERSION)

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        target = replace(cluster, labels=self.upgraded_labels(cluster, labels))
        if found := Labels.problems(target):
            return found
        if _numbers(self.version(target)) < _numbers(self.version(cluster)):
            return [f"label example_version: {self.version(target)} is older than {self.version(cluster)}"]
        return []

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return {**cluster.labels, VERSION: labels.get(VERSION, Labels.model_fields[VERSION].default)}

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "install", {"version": self.version(cluster)})]

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "bootstrap", {"part": "certificates"})]

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        """Workers hold nothing that has to move; a master hands over what it holds first."""
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


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


engine: Engine = ExampleEngine()
