"""Upgrades the nodes to the target version, masters first."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update

from jeroboam.driver import MASTER
from services.upgrader.steps.turns import outcome, rolling_order, take_turn, working_nodes
from shared.db.models import Nodegroup
from shared.drivers.registry import get_operating_system
from shared.operations.cluster_state import ClusterState, read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.params import UpgradeParams
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import RESOLVE_TARGET
from shared.steps.commands import command_limit
from shared.steps.context import StepContext


async def ensure_masters_upgraded(context: StepContext, operation: OperationView) -> Done | Wait:
    """One after another, so that the others keep the cluster available."""
    return await _roll(context, operation, masters=True, batch=1)


async def ensure_workers_upgraded(context: StepContext, operation: OperationView) -> Done | Wait:
    """At most `max_batch_size` at once."""
    batch = operation.read_params(UpgradeParams).max_batch_size or 1
    return await _roll(context, operation, masters=False, batch=batch)


async def _roll(context: StepContext, operation: OperationView, *, masters: bool, batch: int) -> Done | Wait:
    target = operation.output(RESOLVE_TARGET)
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        spec = replace(state.spec, labels=target.labels)
        specs = {node.uuid: node for node in state.nodes}
        nodes = await working_nodes(session, operation, state, masters=masters)
        # A node that has the version already is skipped, and so is one whose machine is replaced instead.
        replaced = _replaced(operation, state)
        # A target without a version is an image alone.
        finished = {
            node.uuid
            for node in nodes
            if not target.version or node.version == target.version or node.nodegroup_id in replaced
        }
        actions = {
            uuid: () if uuid in finished else state.engine.upgrade_actions(spec, specs[uuid], state.nodes)
            for uuid in await rolling_order(context, session, state, nodes)
        }
        turn = await take_turn(session, operation, actions, batch=batch, limit=command_limit(context.settings))
        done = set(turn.done)
        for node in nodes:
            if target.version and node.uuid in done and node.nodegroup_id not in replaced:
                node.version = target.version
        if turn.over and not turn.failures and target.version:
            concerned = [
                uuid
                for uuid, group in state.nodegroups.items()
                if (group.role == MASTER) == masters and not (masters and uuid in replaced)
            ]
            chosen = set(concerned if operation.nodegroup_ids is None else operation.nodegroup_ids) & set(concerned)
            await session.execute(update(Nodegroup).where(Nodegroup.uuid.in_(chosen)).values(version=target.version))
        names = {node.uuid: node.name for node in nodes}
    return outcome(turn, names, "upgraded")


def _replaced(operation: OperationView, state: ClusterState) -> frozenset[str]:
    """The nodegroups whose nodes get the version only with another machine.

    Masters are upgraded first where the engine can: a new machine then joins a control plane of its own version.
    """
    images = operation.read_params(UpgradeParams).images
    return frozenset(
        uuid
        for uuid, group in state.nodegroups.items()
        if uuid in images
        and not (group.role == MASTER and state.engine.upgrades_in_place(get_operating_system(group.operating_system)))
    )
