"""Changes the number of nodes: `actions/resize`, and `PATCH /node_count`.

Rule: first come Magnum's checks with its messages, in its order, then additional nodes are checked against the cloud,
then one transaction writes the resize. A resize is accepted while other operations are live: `shared.operations.resize`
decides whether it starts, joins a live resize or is queued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER
from services.api.clusters.deadlines import deadline
from services.api.clusters.growth import check_growth
from services.api.clusters.operable import require_operation
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.nodegroups.queries import default_worker, nodes_of_nodegroup, one_nodegroup
from services.api.reader import Reader, Row
from services.api.wire.errors import bad_request, not_found
from services.api.wire.fields import Field, integer, string, strings_or_null
from services.api.wire.microversion import ZERO_NODES
from shared.db.models import Cluster, Nodegroup
from shared.domain.errors import Conflict
from shared.domain.states import OperationKind
from shared.drivers.registry import get_engine
from shared.operations.cluster_state import load_cluster
from shared.operations.locks import lock_cluster
from shared.operations.resize import request_resize

FIELDS = [
    Field("node_count", integer(lowest=0), {"type": "integer", "minimum": 0}, mandatory=True),
    Field("nodes_to_remove", strings_or_null, {"type": ["array", "null"], "items": {"type": "string"}}),
    Field("nodegroup", string(), {"type": ["string", "null"], "minLength": 1}),
]


@dataclass(frozen=True, slots=True)
class Resize:
    """A checked resize that can be accepted, in a transaction that runs in `promise`."""

    nodegroup_id: str
    node_count: int
    remove: tuple[str, ...] = ()
    promise: AbstractContextManager[object] = field(default_factory=nullcontext)


async def resize_cluster(deps: Deps, context: RequestContext, found: Row, body: Mapping[str, Any]) -> None:
    """Accept `actions/resize`; `body` was parsed with FIELDS."""
    deps.policy.check(context, "cluster:resize", project_id=found["project_id"], user_id=found["user_id"])
    name = body.get("nodegroup")
    group = await (
        one_nodegroup(deps.reader, found["uuid"], name) if name else default_worker(deps.reader, found["uuid"])
    )
    asked = await check_resize(deps, context, found, group, body["node_count"], body.get("nodes_to_remove", ()))
    with asked.promise:
        async with deps.db.transaction() as session:
            cluster = await lock_cluster(session, found["uuid"])
            if cluster is None:
                raise not_found("Cluster", found["uuid"])
            await start_resize(session, deps, context, cluster, asked)


def refuse_zero(context: RequestContext, node_count: int) -> None:
    """400 for a node count of zero before the microversion that supports it."""
    if node_count == 0 and context.version < ZERO_NODES:
        raise bad_request("Resizing a nodegroup to zero is not supported in the provided microversion.")


async def check_resize(
    deps: Deps, context: RequestContext, found: Row, group: Row, node_count: int, remove: Sequence[str]
) -> Resize:
    """Check a resize before anything is written.

    Args:
        remove: server IDs, node UUIDs, names or indexes.

    Raises:
        ApiError: 400 for a count out of bounds, a master nodegroup, a cluster that was never created completely,
            unknown nodes, or the problems found by `check_growth`.
    """
    lowest, highest = group["min_node_count"], group["max_node_count"]
    if group["role"] == MASTER:
        _check_masters(found, group, node_count, remove)
    if node_count < lowest or (highest and node_count > highest):
        raise bad_request(
            f"Resizing {group['name']} outside the allowed range: min_node_count = {lowest}, max_node_count = {highest}"
        )
    require_operation(found, OperationKind.RESIZE)
    leaving = await _nodes_named(deps.reader, group, remove)
    if node_count > group["node_count"]:
        cluster = await load_cluster(deps.db, found["uuid"])
        grown = replace(cluster.nodegroups[group["uuid"]], node_count=node_count)
        growth = await check_growth(deps, context, cluster, grown)
        return Resize(group["uuid"], node_count, leaving, growth.promise)
    return Resize(group["uuid"], node_count, leaving)


def _check_masters(found: Row, group: Row, node_count: int, remove: Sequence[str]) -> None:
    """Check the new number of masters, and that those to be removed are named: each stores the cluster's state."""
    engine = get_engine(found["engine"])
    if not engine.resizes_masters:
        raise bad_request("Resizing the master nodegroup is not supported by this driver.")
    if (problem := engine.master_count_problem(node_count)) is not None or node_count < 1:
        raise bad_request(problem or "A cluster has at least one master.")
    if node_count > 1 and not found["master_lb_enabled"]:
        raise bad_request("master_count must be 1 when master_lb_enabled is False")
    surplus = group["node_count"] - node_count
    if surplus > len(remove):
        raise bad_request(f"nodes_to_remove must name the {surplus} masters that are removed.")


async def start_resize(
    session: AsyncSession,
    deps: Deps,
    context: RequestContext,
    cluster: Cluster,
    asked: Resize,
    *,
    rollback: bool | None = None,
) -> None:
    """Write a checked resize in the caller's transaction, which has locked the cluster."""
    nodegroup = await session.scalar(select(Nodegroup).where(Nodegroup.uuid == asked.nodegroup_id))
    if nodegroup is None:
        raise not_found("Nodegroup", asked.nodegroup_id)
    try:
        await request_resize(
            session,
            cluster=cluster,
            nodegroup=nodegroup,
            node_count=asked.node_count,
            remove=asked.remove,
            user_id=context.user_id,
            request_id=context.request_id,
            timeout=deadline(deps.settings, cluster, OperationKind.RESIZE),
            rollback=rollback,
        )
    except Conflict as error:
        raise bad_request(str(error)) from None


async def _nodes_named(reader: Reader, group: Row, names: Sequence[str]) -> tuple[str, ...]:
    """The UUIDs of a nodegroup's nodes, given by server ID, UUID, name or index.

    Raises:
        ApiError: 400; the message lists all unknown names.
    """
    if not names:
        return ()
    known: dict[str, str] = {}
    for node in await nodes_of_nodegroup(reader, group["uuid"]):
        aliases = (str(node["index"]), node["name"], node["uuid"], node["server_id"])
        known |= {alias: node["uuid"] for alias in aliases if alias}
    # Clients that read a server's ID from the machine (SMBIOS) get it in upper case.
    wanted = {name: known.get(name) or known.get(name.lower()) for name in names}
    unknown = [ascii(name)[1:-1][:100] for name, node in wanted.items() if node is None]
    if unknown:
        raise bad_request(f"Nodegroup {group['name']} has no nodes {', '.join(unknown[:20])}.")
    return tuple(sorted({node for node in wanted.values() if node is not None}))
