"""Telling a node's agent to do something: a row, and a notification that shortens the agent's long poll."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import NodeCommand

CHANNEL = "jeroboam_commands"


async def send_command(
    session: AsyncSession, node_id: str, name: str, *, command_id: str, args: Mapping[str, Any] | None = None
) -> bool:
    """Queue one command for a node.

    Args:
        name: an action of the node's driver, e.g. `bootstrap`.
        command_id: the same id is the same command, however often it is sent.

    Returns:
        Whether it is new.
    """
    made = await session.execute(
        insert(NodeCommand)
        .values(id=command_id, node_id=node_id, name=name, args=dict(args or {}))
        .on_conflict_do_nothing()
        .returning(NodeCommand.id)
    )
    if made.first() is None:
        return False
    await notify(session, CHANNEL)
    return True
