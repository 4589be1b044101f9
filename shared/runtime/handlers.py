"""Handles incoming events, which only wake the runner.

Rule: the state of operations is in Postgres only. An operation is already queued when the event of its request arrives,
and a node's report has already made the waiting operation due; only Heat's notifications do that here. A lost, late or
duplicate message therefore only affects timing, and the events of joining nodes need no transaction. Heat tells of the
end of an action before it stores it, so what it says is looked at again until its list of stacks shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from shared.bus.contract import Message, Verdict
from shared.db.engine import Database
from shared.events.catalog import StackChanged
from shared.events.envelope import MalformedEvent, from_message
from shared.operations.requests import make_due

log = structlog.get_logger(__name__)

# How long after a stack's end was told it is looked at again if Heat does not show it.
AGAIN_AFTER = (0.2, 0.3, 0.5)
_MOST_AGAIN = 500


class Stacks(Protocol):
    """What is known of stacks; `shared.cloud.stack_list.StackList`."""

    def expire(self, project_id: str) -> None: ...

    def shows(self, project_id: str, name: str, status: str) -> bool: ...


class Handlers:
    """Args:
    database: contains the operations.
    wake: makes the runner look for due operations.
    stacks: told of changed stacks; None if the service has none.
    """

    def __init__(self, database: Database, wake: Callable[[], None], stacks: Stacks | None = None) -> None:
        self._database = database
        self._wake = wake
        self._stacks = stacks
        self._again: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, message: Message) -> Verdict:
        try:
            event = from_message(message)
        except MalformedEvent as error:
            log.error("event.malformed", message=message.id, error=str(error))
            return Verdict.DEAD
        if isinstance(event.data, StackChanged):
            if self._stacks is not None:
                self._stacks.expire(event.project_id)
            if event.cluster_id is not None:
                await self._make_due(event.cluster_id)
                self._look_again(event.project_id, event.cluster_id, event.data)
        self._wake()
        return Verdict.DONE

    def _look_again(self, project_id: str, cluster_id: str, told: StackChanged) -> None:
        stacks = self._stacks
        if stacks is None or len(self._again) >= _MOST_AGAIN:
            return

        async def look() -> None:
            for pause in AGAIN_AFTER:
                await asyncio.sleep(pause)
                if stacks.shows(project_id, told.stack_name, told.status):
                    return
                stacks.expire(project_id)
                try:
                    await self._make_due(cluster_id)
                except Exception as error:
                    # The operation looks by itself as well, later.
                    log.warning("stack.not_looked_at_again", stack=told.stack_name, error=str(error))
                    return
                self._wake()

        if (before := self._again.pop(told.stack_name, None)) is not None:
            before.cancel()
        task = self._again[told.stack_name] = asyncio.create_task(look(), name="look at a stack again")
        task.add_done_callback(lambda done: self._forget(told.stack_name, done))

    def _forget(self, stack_name: str, done: asyncio.Task[None]) -> None:
        if self._again.get(stack_name) is done:
            del self._again[stack_name]

    async def close(self) -> None:
        """End what is looked at again."""
        tasks = list(self._again.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make_due(self, cluster_id: str) -> None:
        async with self._database.transaction() as session:
            await make_due(session, cluster_id)
