"""Inserts a new cluster with everything that belongs to it: nodegroups, nodes, its create operation and the event.

Rule: the result is that of `start_operation` and `add_nodes` on rows that exist. No other transaction can know the
cluster yet, so nothing has to be locked, read or updated, and one statement does everything. Creates are the most
frequent writes; with one ORM object for each row, they would take several times the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.kinds import OperationKind, operation_event
from shared.domain.states import OperationState, Outcome, cluster_status, nodegroup_status
from shared.events.catalog import OperationRequested
from shared.events.log import CHANNEL as EVENTS
from shared.events.log import event_values
from shared.operations.nodes import first_nodes
from shared.operations.params import CreateParams
from shared.operations.start import CHANNEL, operation_values, trace_of_request

_KIND = OperationKind.CREATE
_TABLES = ("clusters", "nodegroups", "nodes", "operations", "events")
_EXPRESSIONS = {
    "clusters": {"updated_at": "now()"},
    "nodegroups": {"updated_at": "now()"},
    # Null plus a time is null: no deadline.
    "operations": {"deadline_at": "now() + $6::interval"},
}


async def insert_cluster(
    session: AsyncSession,
    cluster: Mapping[str, Any],
    nodegroups: Sequence[Mapping[str, Any]],
    *,
    request_id: str | None,
    params: CreateParams,
    timeout: timedelta | None,
    nodes_per_stack: int,
) -> None:
    """Insert a cluster whose create is queued.

    Args:
        session: the caller's transaction.
        cluster, nodegroups: columns, without statuses and times.
        timeout: until the deadline of the operation; None for no deadline.
        nodes_per_stack: the most nodes one shard may hold.
    """
    connection = await session.connection()
    statement, arguments = insertion(cluster, nodegroups, request_id, params, timeout, nodes_per_stack)
    await connection.exec_driver_sql(statement, arguments)


def insertion(
    cluster: Mapping[str, Any],
    nodegroups: Sequence[Mapping[str, Any]],
    request_id: str | None,
    params: CreateParams,
    timeout: timedelta | None,
    nodes_per_stack: int,
) -> tuple[str, tuple[Any, ...]]:
    """The statement of `insert_cluster`, and its arguments."""
    uuid, name, project_id = cluster["uuid"], cluster["name"], cluster["project_id"]
    operation = operation_values(
        uuid,
        name,
        project_id,
        _KIND,
        OperationState.QUEUED,
        user_id=cluster["user_id"],
        params=params.dump(),
        request_id=request_id,
        trace=trace_of_request(),
        nodegroup_ids=None,
    )
    requested = OperationRequested(cluster_name=name, kind=_KIND, params=operation["params"], request_id=request_id)
    event = event_values(
        operation_event(_KIND, "requested"),
        requested,
        project_id=project_id,
        cluster_id=uuid,
        operation_id=operation["uuid"],
        sequence=1,
        trace=operation["trace"],
    )
    begun = {"status": cluster_status(_KIND, Outcome.IN_PROGRESS), "event_sequence": 1}
    status = nodegroup_status(_KIND, Outcome.IN_PROGRESS)
    rows = (
        [{**cluster, **begun}],
        [{**group, "status": status, "next_index": group["node_count"]} for group in nodegroups],
        [node for group in nodegroups for node in first_nodes(cluster, group, nodes_per_stack)],
        [operation],
        [event],
    )
    statement = _statement(tuple(tuple(table[0]) for table in rows))
    return statement, (*(json.dumps(table) for table in rows), timeout)


@cache
def _statement(columns: tuple[tuple[str, ...], ...]) -> str:
    """The statement that inserts rows of these columns, given as a JSON list for each table, and wakes the listeners.

    Foreign keys are checked at the end of a statement, so its parts may refer to each other's rows.
    """
    parts = []
    for number, (table, names) in enumerate(zip(_TABLES, columns, strict=True), start=1):
        also = _EXPRESSIONS.get(table, {})
        into = ", ".join(f'"{name}"' for name in (*names, *also))
        values = ", ".join((*(f'"{name}"' for name in names), *also.values()))
        source = f"jsonb_populate_recordset(NULL::{table}, ${number}::jsonb)"
        parts.append(f"new_{table} AS (INSERT INTO {table} ({into}) SELECT {values} FROM {source})")  # noqa: S608
    return f"WITH {', '.join(parts)} SELECT pg_notify('{CHANNEL}', ''), pg_notify('{EVENTS}', '')"
