"""Applies a nodegroup's new labels and taints to its existing nodes; new nodes get them when they join.

Rule: the engine names the commands, which are sent one after another, because one can restart a node's services.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import PermanentError
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.outputs import UpdatedLabels
from shared.operations.params import NodegroupUpdateParams
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.commands import Answer, command_limit, give_in_order
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

_SHOWN = 5


async def ensure_nodes_labelled(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every joined node has the labels and taints of its nodegroup's row; `before` in params holds the old ones."""
    before = operation.read_params(NodegroupUpdateParams).before
    labels, taints = before.node_labels or {}, list(before.node_taints or ())
    answered = wanted = 0
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        for group in (state.nodegroups[uuid] for uuid in operation.nodegroup_ids or ()):
            if group.node_labels == labels and list(group.node_taints) == taints:
                continue
            found = state.engine.relabelling(state.spec, group, state.nodes, old_labels=labels, old_taints=taints)
            limit = command_limit(context.settings)
            answers = await give_in_order(session, operation.run_tag, group.uuid, found, limit=limit)
            _check(group.name, answers)
            wanted += len(found)
            answered += sum(answer.succeeded for answer in answers)
    if answered < wanted:
        return Wait("the labels of the nodes are being updated", poll_delay(operation), answered, wanted)
    return Done(UpdatedLabels(commands=wanted))


def _check(nodegroup: str, answers: Sequence[Answer]) -> None:
    """Raise PermanentError with the reasons of the nodes, if one of the commands has failed."""
    for answer in answers:
        if answer.failure is not None:
            named = [f"{name}: {why}" for name, why in answer.results_of("not_labelled").items()]
            shown = [*named[:_SHOWN], *([f"and {len(named) - _SHOWN} more nodes"] if len(named) > _SHOWN else [])]
            why = "; ".join(shown) or answer.reason
            raise PermanentError(f"nodegroup {nodegroup}: its nodes could not be labelled: {why}")
