"""Claims webhooks that have something to send, and runs one task for each of them.

Rule: a receiver that fails has a task only while one of its attempts is made, and such receivers have places of their
own, so they neither delay others nor hold a worker. Leases are renewed while a task runs; a task whose webhook a user
changed is ended and the webhook claimed again. A process that dies loses its leases after `lease_seconds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.notifier.claims import Claimed, Delivery
from services.notifier.receiver import Receiver, Tools
from shared.domain.clock import utc_now
from shared.telemetry.metrics import LEASES_LOST, WEBHOOKS_ACTIVE

log = structlog.get_logger(__name__)

PLACES = 500  # receivers that one process serves at the same time, and as many again that fail
_AT_ONCE = 100
_PROBLEMS = (SQLAlchemyError, OSError, TimeoutError)


class Dispatcher:
    """Args:
    tools: what receivers share.
    lease_seconds: length of a lease.
    poll_seconds: longest delay of due deliveries when no notification arrives.
    """

    def __init__(self, tools: Tools, *, lease_seconds: float, poll_seconds: float) -> None:
        self._tools = tools
        self._renew_seconds = lease_seconds / 4
        self._poll_seconds = poll_seconds
        self._due = asyncio.Event()
        self._changed = asyncio.Event()
        self._active: dict[str, tuple[Receiver, asyncio.Task[None]]] = {}
        self._draining = False

    def wake(self) -> None:
        self._due.set()

    def look_for_changes(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Claim and send until cancelled."""
        renewing = asyncio.create_task(self._keep_leases())
        try:
            while not self._draining:
                self._due.clear()
                claimed, pause = 0, self._poll_seconds
                try:
                    claimed = await self._claim()
                    pause = self._poll_seconds if claimed else await self._until_due()
                except _PROBLEMS as error:
                    log.warning("dispatcher.delayed", error=str(error).splitlines()[0] if str(error) else repr(error))
                if claimed:
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._due.wait()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def drain(self, grace: float) -> None:
        """Claim nothing more, wait up to `grace` seconds for attempts in flight, and release everything."""
        self._draining = True
        self._due.set()
        for receiver, _ in self._active.values():
            receiver.stop()
        tasks = [task for _, task in self._active.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._tools.sender.close_idle(every=True)

    async def _claim(self) -> int:
        """Claim webhooks for the places that are free. Returns how many were claimed."""
        failing = sum(receiver.webhook.health.failures > 0 for receiver, _ in self._active.values())
        well = len(self._active) - failing
        claims = self._tools.claims
        found = await claims.claim(well=True, limit=min(_AT_ONCE, PLACES - well))
        found += await claims.claim(well=False, limit=min(_AT_ONCE, PLACES - failing))
        if not found:
            return 0
        pages = await claims.pages([webhook.uuid for webhook in found])
        for webhook in found:
            self._start(webhook, pages[webhook.uuid])
        return len(found)

    def _start(self, webhook: Claimed, page: Sequence[Delivery]) -> None:
        receiver = Receiver(webhook, self._tools)
        task = asyncio.create_task(self._served(receiver, page), name=f"webhook {webhook.uuid}")
        self._active[webhook.uuid] = (receiver, task)
        WEBHOOKS_ACTIVE.set(len(self._active))

    async def _served(self, receiver: Receiver, page: Sequence[Delivery]) -> None:
        uuid = receiver.webhook.uuid
        try:
            await receiver.run(page)
        except Exception as error:
            log.error("webhook.interrupted", webhook=uuid, error=str(error), exc_info=not isinstance(error, _PROBLEMS))
        finally:
            await self._tools.outcomes.release(uuid)
            self._active.pop(uuid, None)
            WEBHOOKS_ACTIVE.set(len(self._active))
            self._due.set()

    async def _until_due(self) -> float:
        """Seconds until a webhook is due, at most the interval of polls."""
        due = await self._tools.claims.next_due()
        if due is None:
            return self._poll_seconds
        return min(max((due - utc_now()).total_seconds(), 0.05), self._poll_seconds)

    async def _keep_leases(self) -> None:
        """Renew leases regularly, and end the tasks of webhooks that were changed or lost."""
        while True:
            changed = True
            try:
                async with asyncio.timeout(self._renew_seconds):
                    await self._changed.wait()
            except TimeoutError:
                changed = False
            self._changed.clear()
            if not changed:
                self._tools.sender.close_idle()
            if not self._active:
                continue
            before = dict(self._active)
            try:
                claims = self._tools.claims
                held = await (claims.revisions() if changed else claims.renew(before))
            except _PROBLEMS as error:
                log.warning("leases.not_renewed", error=str(error))
                continue
            for uuid, (receiver, _) in before.items():
                if held.get(uuid) != receiver.webhook.revision and self._active.get(uuid) == before[uuid]:
                    if uuid not in held:
                        LEASES_LOST.inc()
                    receiver.stop()
