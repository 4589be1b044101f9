"""Commands for nodes' agents, and their results.

Rule: a command is given again until its result is stored, and a later result changes nothing. No database connection
is held while an agent waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, update

from services.api.deps import Deps
from services.api.wakeups import happens
from services.api.wire.errors import not_found
from shared.db.engine import notify
from shared.db.models import Node, NodeCommand
from shared.operations.node_commands import spoken_results
from shared.operations.requests import make_due
from shared.operations.start import CHANNEL as OPERATIONS_CHANNEL

_MAX_OUTPUT = 16384


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command: whether it succeeded, its output, and its results as data."""

    ok: bool
    output: str = ""
    results: Mapping[str, str] = field(default_factory=dict)


async def wait_for_commands(deps: Deps, node_id: str, seconds: float) -> list[dict[str, Any]]:
    """The node's unfinished commands, oldest first; waits up to `seconds` for one. No connection is held meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        change = deps.commands.expect(node_id)
        try:
            commands = await _unfinished(deps, node_id)
            left = deadline - loop.time()
            if commands or left <= 0 or deps.closing:
                return commands
            await happens(change, left)
        finally:
            deps.commands.forget(node_id, change)


async def _unfinished(deps: Deps, node_id: str) -> list[dict[str, Any]]:
    rows = await deps.reader.rows(
        "SELECT id, name, args, delivered_at FROM node_commands WHERE node_id = $1 AND finished_at IS NULL "
        "ORDER BY created_at, id LIMIT 100",
        node_id,
    )
    fresh = [row["id"] for row in rows if row["delivered_at"] is None]
    if fresh:
        async with deps.db.transaction() as session:
            await session.execute(update(NodeCommand).where(NodeCommand.id.in_(fresh)).values(delivered_at=func.now()))
    return [{"id": row["id"], "name": row["name"], "args": row["args"]} for row in rows]


async def finish_command(deps: Deps, node_id: str, command_id: str, told: CommandResult) -> None:
    """Store a command's result; a later one changes nothing."""
    async with deps.db.transaction() as session:
        command = await session.scalar(
            select(NodeCommand).where(NodeCommand.id == command_id, NodeCommand.node_id == node_id).with_for_update()
        )
        if command is None:
            raise not_found("Command", command_id)
        if command.finished_at is None:
            command.finished_at = deps.clock()
            command.ok = told.ok
            command.output = told.output[-_MAX_OUTPUT:]
            command.results = dict(told.results) or spoken_results(told.output)
            cluster_id = await session.scalar(select(Node.cluster_id).where(Node.uuid == node_id))
            assert cluster_id is not None
            await make_due(session, cluster_id)
            # No event tells of a command; without this a runner would see its end at the next poll.
            await notify(session, OPERATIONS_CHANNEL)
