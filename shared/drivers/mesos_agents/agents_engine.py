"""What Mesos and DC/OS have in common as engines. See `jeroboam.driver.engine.Engine` for the meaning of each member.

Rule: agents come and go, masters stay; an upgrade needs other machines, because the engine is part of their image or is
installed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jeroboam.driver import (
    Capability,
    ClusterSpec,
    Drain,
    EngineDefaults,
    FieldProblem,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
)
from shared.drivers.mesos_agents import attributes, members


class AgentsEngine(EngineDefaults):
    capabilities = frozenset(
        {
            Capability.RESIZE,
            Capability.NODEGROUP_CREATE,
            Capability.NODEGROUP_UPDATE,
            Capability.NODEGROUP_DELETE,
        }
    )
    network_drivers: Sequence[str] = ("docker",)

    def own_attributes(self, nodegroup: NodegroupSpec) -> Mapping[str, str]:
        """Attributes of a nodegroup's agents besides its labels."""
        return {}

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        return attributes.problems(labels, taints)

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """The address alone, as in Magnum: its users' scripts append the ports."""
        return str(base_outputs["api_address"])

    def version(self, cluster: ClusterSpec) -> str:
        """Empty: nodes report the version that they have."""
        return ""

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
        return members.relabelling(nodegroup, nodes, old_labels, self.own_attributes(nodegroup))
