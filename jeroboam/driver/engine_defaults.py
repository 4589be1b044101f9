"""Default implementations for engines. An engine inherits them and overrides the members that it supports.

Rule: the defaults support nothing and do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from jeroboam.driver.answers import (
    Capability,
    DefaultNodegroup,
    Drain,
    Fact,
    FieldProblem,
    Impossible,
    NodeAction,
    NodeCertificate,
    Sizes,
)
from jeroboam.driver.health import ClusterHealth, NodeHealth, overall
from jeroboam.driver.label_specs import LabelSpec
from jeroboam.driver.labels import InfrastructureLabels
from jeroboam.driver.operating_system import OperatingSystem
from jeroboam.driver.values import (
    MASTER,
    WORKER,
    ClusterSpec,
    KeyAlgorithm,
    NodegroupSpec,
    NodeSpec,
    SecretKind,
    joined_masters,
    masters,
)


class EngineDefaults:
    """Base class for engines; see `jeroboam.driver.engine.Engine` for the meaning of each member."""

    secrets: Mapping[str, SecretKind] = {}
    former_secrets: Mapping[str, str] = {}
    authorities: Mapping[str, str] = {}
    facts: Mapping[str, Fact] = {}
    version_fact: str | None = None
    capabilities: frozenset[Capability] = frozenset()
    network_drivers: Sequence[str] = ()
    volume_drivers: Sequence[str] = ()
    release_labels: Mapping[str, str] = {}
    resizes_masters: bool = False
    replaces_masters: bool = False
    adopted: bool = False
    beta: bool = False
    default_names: ClassVar[Mapping[str, str]] = {MASTER: "default-master", WORKER: "default-worker"}

    def labels(self) -> Sequence[LabelSpec]:
        """The labels of the infrastructure; an engine with a model of labels returns its `specs()`."""
        return InfrastructureLabels.specs()

    def master_count_problem(self, count: int) -> str | None:
        return None

    def default_nodegroups(self, sizes: Sizes) -> Sequence[DefaultNodegroup]:
        """Masters and workers, with Magnum's names."""
        return [
            DefaultNodegroup(self.default_names[MASTER], MASTER, sizes.master_count, sizes.master_flavor_id, 1),
            DefaultNodegroup(self.default_names[WORKER], WORKER, sizes.node_count, sizes.flavor_id),
        ]

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return []

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        """Reject node labels and taints, because they would have no effect."""
        given = {"node_labels": labels, "node_taints": taints}
        text = "the engine of this cluster does not support it"
        return [FieldProblem(name, text) for name, value in given.items() if value]

    def key_algorithm(self, cluster: ClusterSpec) -> KeyAlgorithm:
        return KeyAlgorithm.RSA_2048

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        return ()

    def founder(self, nodes: Sequence[NodeSpec]) -> NodeSpec | None:
        """The first master, until one has joined."""
        found = masters(nodes)
        return found[0] if found and not joined_masters(nodes) else None

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        return None

    def settling(
        self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        return ()

    def container_version(self, cluster: ClusterSpec) -> str | None:
        return None

    def health(self, cluster: ClusterSpec, nodes: Sequence[NodeHealth]) -> ClusterHealth:
        """Healthy if all nodes are, by their own checks; the reasons are theirs."""
        words = {True: "ok", False: "not healthy", None: "unknown"}
        reasons = {each.node.name: each.problem or words[each.works] for each in nodes}
        return ClusterHealth(overall([each.works for each in nodes]), reasons)

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return []

    def upgrades_in_place(self, operating_system: OperatingSystem) -> bool:
        """Not where the engine is part of the image."""
        return not operating_system.replaces_machines

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return ["this engine does not upgrade clusters"]

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return cluster.labels

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return ()

    def rolling_order(self, nodes: Sequence[NodeSpec], facts: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
        """The given order."""
        return [node.uuid for node in nodes]

    def add_on_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        return ()

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return ()

    def trust_refresh(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return ()

    def credential_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        return ()

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        return Drain(nothing_to_do=frozenset(node.uuid for node in leaving))

    def master_change(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return ()

    def forget(
        self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec], *, seconds: int
    ) -> NodeAction | Impossible | None:
        return None

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        return ()
