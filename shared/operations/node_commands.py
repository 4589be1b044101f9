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


async def command_given(
    session: AsyncSession, node_id: str, name: str, *, command_id: str, args: Mapping[str, Any] | None = None
) -> NodeCommand:
    """The command as it stands now; queued first, if this is the first time it is asked for."""
    await send_command(session, node_id, name, command_id=command_id, args=args)
    found = await session.get(NodeCommand, command_id, populate_existing=True)
    assert found is not None
    return found


def last_words(command: NodeCommand) -> str:
    """The end of what a command printed, on one line."""
    return " ".join((command.output or "").split()[-40:])
