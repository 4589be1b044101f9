"""What finished steps record (`operation_steps.output`). Later steps read some of it; the rest is for operators."""

from __future__ import annotations

from pydantic import Field

from shared.operations.stored import Stored


class NoOutput(Stored):
    """The step has nothing to record but that it is finished."""


NO_OUTPUT = NoOutput()


class BaseStack(Stored):
    stack_id: str


class NodeStacks(Stored):
    """How many stacks of nodes the step brought to where they are to be."""

    stacks: int


class JoinedNodes(Stored):
    nodes: int


class StoppedAgents(Stored):
    """The ids of the cluster's servers, by which its volumes and addresses are found when the servers are gone."""

    servers: tuple[str, ...] = ()


class SelectedNodes(Stored):
    """`shards` to change, as (nodegroup uuid, number), and the uuids of the nodes that leave."""

    shards: tuple[tuple[str, int], ...] = ()
    leaving: tuple[str, ...] = ()


class DrainedNodes(Stored):
    drained: int
    not_drained: int


class RemovedNodes(Stored):
    removed: int


class UpdatedLabels(Stored):
    """How many commands were carried out by masters."""

    commands: int


class UpgradeTarget(Stored):
    """The labels the cluster is to have, the version they mean, and the nodes to replace: nodegroup uuid -> uuids."""

    labels: dict[str, str]
    version: str
    outdated: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class ChangedNodes(Stored):
    """How many nodes have taken a rolling change."""

    nodes: int


class RestartedWorkloads(Stored):
    """What was not restarted: kind and name -> why."""

    not_restarted: dict[str, str] = Field(default_factory=dict)


class DistributedCredential(Stored):
    """The node that took the new credential; None where the cluster has no credential."""

    node_id: str | None = None
