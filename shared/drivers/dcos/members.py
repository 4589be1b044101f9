"""Commands that concern agents. The bootstrap machine is no node of Mesos, so none concerns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jeroboam.driver import BOOTSTRAP, Drain, NodeAction, NodegroupSpec, NodeSpec
from shared.drivers.dcos.bootstrap import own_attributes
from shared.drivers.mesos_agents import members


def drain(leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], seconds: int) -> Drain:
    found = members.drain(_of_mesos(leaving), _of_mesos(nodes), seconds)
    return replace(found, nothing_to_do=frozenset(node.uuid for node in leaving if node.role == BOOTSTRAP))


def forget(node: NodeSpec, nodes: Sequence[NodeSpec], seconds: int) -> NodeAction | None:
    return None if node.role == BOOTSTRAP else members.forget(node, _of_mesos(nodes), seconds)


def settle(nodes: Sequence[NodeSpec]) -> list[NodeAction]:
    return members.settle(_of_mesos(nodes))


def relabelling(nodegroup: NodegroupSpec, nodes: Sequence[NodeSpec], old: Mapping[str, str]) -> list[NodeAction]:
    return members.relabelling(nodegroup, _of_mesos(nodes), old, own_attributes(nodegroup))


def _of_mesos(nodes: Sequence[NodeSpec]) -> list[NodeSpec]:
    return [node for node in nodes if node.role != BOOTSTRAP]
