"""Replaces a cluster's certificate authorities and key pairs, in rounds through its nodes.

Rule: a round ends when every working node has reported success, and only then does the next one start, so no node is
presented with a certificate of an authority it does not trust, or with a token of a key it does not accept. The state
of each round is in the rows (`shared/pki/rotation.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import SecretKind
from services.upgrader.roll import Turn, careful_batch
from services.upgrader.steps.turns import outcome, rolling_order, take_turn, working_nodes
from shared.db.models import ClusterSecret, Node
from shared.domain.errors import PermanentError
from shared.domain.kinds import OperationKind, operation_event
from shared.events.catalog import OperationProgressed
from shared.events.log import emit
from shared.operations.cluster_state import ClusterState, read_cluster
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import SEED_SECRET, load_token_seeds
from shared.operations.outputs import ChangedNodes, RestartedWorkloads
from shared.operations.plan import Done, OperationView, Wait
from shared.operations.step_keys import SIGN_WITH_NEW
from shared.pki import rotation
from shared.pki.cluster_secrets import CLOUD_CREDENTIAL, keep_former_values, random_text, seal_secret
from shared.steps.commands import LOOK_EVERY, command_limit, give_in_order
from shared.steps.context import StepContext

_SHOWN = 20


async def ensure_successors_made(context: StepContext, operation: OperationView) -> Done | Wait:
    """Each authority and key pair has a successor, possibly from an earlier rotation that was interrupted."""
    state = await context.cluster(operation)
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        await keep_former_values(session, context.sealer, operation.cluster_id, state.engine)
        await _replace_token_seed(context, session, operation)
    await rotation.ensure_successors(
        context.database,
        context.sealer,
        cluster_id=operation.cluster_id,
        cluster_name=operation.cluster_name,
        kinds=state.engine.secrets,
        algorithm=state.engine.key_algorithm(state.spec),
    )
    return Done()


async def ensure_both_trusted(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node trusts the old authorities and the new ones."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        await rotation.trust_successors(session, operation.cluster_id)
        return await _round(context, session, operation, state, "trust")


async def ensure_key_pairs_replaced(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every master signs tokens with the new key pairs and accepts those of both, before workloads get new tokens."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        names = rotation.rotated(state.engine.secrets, SecretKind.KEY_PAIR)
        if not names:
            return Done(ChangedNodes(nodes=0))
        await rotation.let_successors_sign(session, context.sealer, operation.cluster_id, names)
        return await _round(context, session, operation, state, "keys", masters_only=True)


async def ensure_trust_refreshed(context: StepContext, operation: OperationView) -> Done | Wait:
    """Workloads have reloaded the trusted authorities. Those that did not come back are named and do not block."""
    left: dict[str, str] = {}
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        actions = state.engine.trust_refresh(state.nodes)
        limit = command_limit(context.settings)
        for answer in await give_in_order(session, operation.run_tag, "refresh", actions, limit=limit):
            if answer.is_pending:
                return Wait("workloads are being restarted, so that they trust both authorities", LOOK_EVERY, 0, 1)
            if not answer.succeeded:
                raise PermanentError(f"the workloads could not be restarted: {answer.reason}")
            left |= answer.results_of("not_restarted")
    return Done(RestartedWorkloads(not_restarted=dict(list(left.items())[:_SHOWN])))


async def ensure_successors_sign(context: StepContext, operation: OperationView) -> Done | Wait:
    """Every node uses certificates of the new authorities, and trusts both."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        names = rotation.rotated(state.engine.secrets)
        if await rotation.let_successors_sign(session, context.sealer, operation.cluster_id, names):
            await _tell_of_old_configurations(session, operation)
        return await _round(context, session, operation, state, "sign")


async def _tell_of_old_configurations(session: AsyncSession, operation: OperationView) -> None:
    """Emit the event whose time is the moment from which they fail, in the transaction that makes it true."""
    reason = (
        f"client configurations issued before {operation.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC trust only the "
        "old authorities and stop working now, as each master gets certificates of the new ones: download them again"
    )
    kind = OperationKind(operation.kind)
    await emit(
        session,
        operation_event(kind, "progressed"),
        OperationProgressed(kind=kind, step=SIGN_WITH_NEW.name, done=0, total=0, reason=reason),
        project_id=operation.project_id,
        cluster=operation.cluster_id,
        operation_id=operation.uuid,
    )


async def ensure_old_ones_removed(context: StepContext, operation: OperationView) -> Done | Wait:
    """No node trusts the old authorities and key pairs any more."""
    async with context.database.transaction() as session:
        await lock_cluster(session, operation.cluster_id)
        state = await read_cluster(session, operation.cluster_id)
        names = rotation.rotated(state.engine.secrets)
        await rotation.forget_predecessors(session, operation.cluster_id, names)
        declared = [*state.engine.secrets, SEED_SECRET, CLOUD_CREDENTIAL]
        await rotation.delete_undeclared(session, operation.cluster_id, declared)
        return await _round(context, session, operation, state, "forget")


async def _replace_token_seed(context: StepContext, session: AsyncSession, operation: OperationView) -> None:
    """Once in an operation, and with the database's clock, which gives nodes their times."""
    cluster_id = operation.cluster_id
    seeds = await load_token_seeds(session, context.sealer, cluster_id)
    if seeds is None or (seeds.replaced_at is not None and seeds.replaced_at >= operation.created_at):
        return
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    created = await session.scalars(select(Node.created_at).where(Node.cluster_id == cluster_id))
    row = await session.get_one(ClusterSecret, (cluster_id, SEED_SECRET))
    after = seeds.replaced(random_text(), now, created)
    row.secret = seal_secret(context.sealer, cluster_id, SEED_SECRET, after.text)


async def _round(
    context: StepContext,
    session: AsyncSession,
    operation: OperationView,
    state: ClusterState,
    purpose: str,
    *,
    masters_only: bool = False,
) -> Done | Wait:
    """Masters one after another, since their services restart; then the other nodes, a tenth of them at once."""
    limit = command_limit(context.settings)
    specs = {node.uuid: node for node in state.nodes}
    masters = await working_nodes(session, operation, state, masters=True)
    workers = [] if masters_only else await working_nodes(session, operation, state, masters=False)
    if not masters:
        raise PermanentError("the cluster has no working master")
    turn = Turn((), ())
    for nodes, batch in ((masters, 1), (workers, careful_batch(len(workers)))):
        order = await rolling_order(context, session, state, nodes)
        actions = {uuid: state.engine.certificate_actions(specs[uuid]) for uuid in order}
        taken = await take_turn(session, operation, actions, batch=batch, limit=limit, purpose=f"{purpose} ")
        turn = replace(taken, done=[*turn.done, *taken.done])
        if not turn.over or turn.failures:
            break
    return outcome(turn, {node.uuid: node.name for node in (*masters, *workers)}, _DONE[purpose])


_DONE = {
    "trust": "configured to trust the new authorities",
    "keys": "signing tokens with the new keys",
    "sign": "using certificates of the new authorities",
    "forget": "no longer trusting the old authorities",
}
