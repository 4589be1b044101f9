"""Applies a nodegroup's new labels and taints to its existing nodes; new nodes get them when they join."""

from __future__ import annotations

from jeroboam.driver import NodeAction
from shared.domain.errors import PermanentError
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.outputs import UpdatedLabels
from shared.operations.params import NodegroupUpdateParams
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.commands import command_limit, give_commands
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

_SHOWN = 5


async def ensure_nodes_labelled(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every joined node has the labels and taints of its nodegroup's row; `before` in params holds the old ones."""
    before = operation.read_params(NodegroupUpdateParams).before
    labels, taints = before.node_labels or {}, list(before.node_taints or ())
    actions: dict[str, NodeAction] = {}
    groups: dict[str, str] = {}  # key of a command -> the name of its nodegroup
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        for group in (state.nodegroups[uuid] for uuid in operation.nodegroup_ids or ()):
            if group.node_labels == labels and list(group.node_taints) == taints:
                continue
            found = state.engine.relabelling(state.spec, group, state.nodes, old_labels=labels, old_taints=taints)
            for number, action in enumerate(found):
                actions[f"{group.uuid} {number}"] = action
                groups[f"{group.uuid} {number}"] = group.name
        answers = await give_commands(session, operation.run_tag, actions, limit=command_limit(context.settings))
        for key, answer in answers.items():
            if answer.failure is not None:
                named = [f"{name}: {why}" for name, why in answer.results_of("not_labelled").items()]
                shown = [*named[:_SHOWN], *([f"and {len(named) - _SHOWN} more nodes"] if len(named) > _SHOWN else [])]
                why = "; ".join(shown) or answer.reason
                raise PermanentError(f"nodegroup {groups[key]}: its nodes could not be labelled: {why}")
    answered = sum(answer.succeeded for answer in answers.values())
    if answered < len(actions):
        return Wait("the labels of the nodes are being updated", poll_delay(operation), answered, len(actions))
    return Done(UpdatedLabels(commands=len(actions)))
