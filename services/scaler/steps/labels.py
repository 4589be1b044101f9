"""Telling the nodes there are about their nodegroup's new labels and taints; nodes to come are born with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from shared.domain.errors import PermanentError
from shared.operations.cluster_state import read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_commands import command_given, last_words
from shared.operations.plan import Done, OperationView, Wait
from shared.steps.context import StepContext
from shared.steps.stacks import poll_delay

_LIMIT = timedelta(minutes=10)


async def ensure_nodes_labelled(context: StepContext, operation: OperationView) -> Done | Wait:
    """A master has given every node that has joined what its nodegroup's row says; params hold what was `before`."""
    before = operation.params.get("before") or {}
    labels, taints = before.get("node_labels") or {}, before.get("node_taints") or []
    total = answered = 0
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        for group in (state.nodegroups[uuid] for uuid in operation.nodegroup_ids or ()):
            if group.node_labels == labels and list(group.node_taints) == list(taints):
                continue
            for number, action in enumerate(
                state.engine.relabelling(state.spec, group, state.nodes, old_labels=labels, old_taints=taints)
            ):
                command_id = str(uuid5(NAMESPACE_OID, f"{operation.run_tag} {group.uuid} {number}"))
                sent = await command_given(
                    session, action.node_id, action.command, command_id=command_id, args=action.args
                )
                total += 1
                if sent.ok is False:
                    raise PermanentError(f"nodegroup {group.name}: its nodes could not be labelled: {last_words(sent)}")
                if sent.ok is None and datetime.now(UTC) - sent.created_at > _LIMIT:
                    raise PermanentError(f"nodegroup {group.name}: the master asked to label its nodes did not answer")
                answered += bool(sent.ok)
    if answered < total:
        return Wait("a master is labelling the nodes", poll_delay(operation), answered, total)
    return Done({"commands": total})
