"""Limits how many resources of a kind a project or a cluster can have.

Rule: the limit is checked under a lock in the transaction that adds the resource, so that concurrent requests cannot
both take the last place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.wire.errors import ApiError

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


@dataclass(frozen=True, slots=True)
class Room:
    """What is limited.

    Args:
        what: the resources, in the plural; owner: `project` or `cluster`; owner_id: its ID.
        most: the limit; setting: its name in `JEROBOAM_LIMITS__*`.
    """

    what: str
    owner: str
    owner_id: str
    most: int
    setting: str


async def check_room(session: AsyncSession, number: Select[Any], room: Room) -> None:
    """Reject one more resource if the limit is reached.

    Args:
        session: the transaction that adds the resource afterwards.
        number: counts those that exist.

    Raises:
        ApiError: 403, with the words of Magnum's quota of clusters.
    """
    await session.execute(_ONE_AT_A_TIME, {"key": f"{room.what} of {room.owner} {room.owner_id}"})
    if (await session.scalar(number) or 0) >= room.most:
        raise ApiError(
            403,
            f"Resource limit exceeded: You have reached the maximum {room.what} per {room.owner}, {room.most} "
            f"(limits.{room.setting}). You may delete one to make room for a new one.",
        )
