"""Reports of nodes: state, health, facts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.deps import Deps
from services.api.nodes.queries import node_with_owners
from services.api.wire.errors import bad_request, conflict, not_found
from shared.db.models import Cluster, Node, Operation
from shared.domain.states import LIVE, NodeState, OperationKind
from shared.drivers.registry import get_engine
from shared.operations.locks import lock_cluster
from shared.operations.reports import is_news, is_recorded, record_report
from shared.operations.requests import make_due
from shared.pki.node_facts import store_facts

_KNOWN = """
SELECT cluster_id, state, loss, silent, server_status, health, last_report_at FROM nodes WHERE uuid = $1
"""


async def report(deps: Deps, node_id: str, kind: str, body: dict[str, Any]) -> None:
    """Process one report of a node."""
    known = await deps.reader.row(_KNOWN, node_id)
    if known is None:
        raise not_found("Node", node_id)
    if kind == "heartbeat" and _is_quiet(deps, SimpleNamespace(**known), node_id, body.get("data") or {}):
        return
    async with deps.db.transaction() as session:
        if kind != "heartbeat" or is_news(SimpleNamespace(**known), body.get("data") or {}):
            await lock_cluster(session, known["cluster_id"])
        node = await session.get(Node, node_id, with_for_update=True, populate_existing=True)
        if node is None:
            raise not_found("Node", node_id)
        project = await session.scalar(select(Cluster.project_id).where(Cluster.uuid == node.cluster_id))
        assert project is not None
        await record_report(
            session,
            node,
            kind,
            project_id=project,
            now=deps.clock(),
            data=body.get("data", {}),
            reason=body.get("reason"),
        )


def _is_quiet(deps: Deps, node: Any, node_id: str, health: dict[str, Any]) -> bool:
    """Whether a heartbeat needs no transaction of its own: it says nothing new."""
    if node.state == NodeState.REMOVING or is_news(node, health) or node.health != health:
        return False
    if not is_recorded(node, health, deps.clock(), deps.settings.heartbeat_seconds):
        deps.heartbeats.add(node_id)
    return True


async def report_facts(deps: Deps, node_id: str, facts: dict[str, str]) -> None:
    """Store the facts that a node reports, and make the cluster's waiting operation due.

    Raises:
        ApiError: 400 for a fact that the cluster's engine does not declare, 409 while the node is being removed.
    """
    async with deps.db.transaction() as session:
        node, _, cluster = await node_with_owners(session, node_id)
        if node.state == NodeState.REMOVING:
            raise conflict(f"Node {node.name} is being removed.")
        engine = get_engine(cluster.engine)
        declared = engine.facts
        if unknown := sorted(facts.keys() - declared.keys()):
            raise bad_request(f"Nodes of {cluster.coe} clusters have no fact {unknown[0]}.")
        await store_facts(session, deps.sealer, node_id, facts, declared)
        # During an upgrade, the version of a row means that all of the node's commands have succeeded; a machine that
        # joins meanwhile gets none.
        is_settled = node.joined_at is None or not await _is_upgrading(session, cluster.uuid)
        if engine.version_fact in facts and is_settled:
            node.version = facts[engine.version_fact][:64]
        await make_due(session, cluster.uuid)


async def _is_upgrading(session: AsyncSession, cluster_id: str) -> bool:
    live = select(Operation.uuid).where(
        Operation.cluster_id == cluster_id, Operation.kind == OperationKind.UPGRADE, Operation.state.in_(LIVE)
    )
    return await session.scalar(live.limit(1)) is not None
