"""Sends what is due to the receiver of one webhook that this process has claimed.

Rule: deliveries are taken page by page, and their outcomes are written before the next page is read. A receiver gets
one request at a time at first, and one more with each success up to the limit of the settings; a failure starts this
again.
Deliveries of an ordered webhook form one chain for each cluster: what follows a delivery that failed is not sent.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from services.notifier.claims import Claimed, Claims, Delivery
from services.notifier.health import after_failure, after_success, should_disable, spacing
from services.notifier.outcomes import Outcome, Outcomes
from services.notifier.retry import Decision, Next, decide, read_retry_after
from services.notifier.sender import Attempt, Sender
from shared.domain.clock import utc_now
from shared.events.catalog import EventData, WebhookDisabled, WebhookExhausted, WebhookRecovered
from shared.pki.sealing import Sealer, SealingError, webhook_place
from shared.settings import WebhookSettings
from shared.telemetry.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_LAG, WEBHOOKS_DISABLED
from shared.webhooks.filters import OWN_FAMILY
from shared.webhooks.payload import CONTENT_TYPES, body
from shared.webhooks.signing import key_of

log = structlog.get_logger(__name__)

_NO_EVENT = "the event is no longer in the event log"
_Chain = Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Tools:
    """What all receivers of a process share. `places` limits the requests of the process."""

    claims: Claims
    outcomes: Outcomes
    sender: Sender
    sealer: Sealer
    settings: WebhookSettings
    places: asyncio.Semaphore


class Receiver:
    """Args:
    webhook: as claimed.
    tools: of the process.
    """

    def __init__(self, webhook: Claimed, tools: Tools) -> None:
        self.webhook = webhook
        self._tools = tools
        self._health = webhook.health
        self._keys: list[bytes] = []
        self._waiting: deque[_Chain] = deque()
        self._width = 1  # requests at the same time
        self._lanes = 0
        self._next_start = 0.0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Send nothing more after the requests in flight; the webhook is then released."""
        self._stopping.set()

    async def run(self, page: Sequence[Delivery]) -> None:
        """Send a page and those that follow, until nothing is due or the receiver must be left alone."""
        self._keys = self._opened()
        while page and not self._finished:
            await self._send(page)
            await self._tools.outcomes.written()
            if self._finished:
                return
            page = (await self._tools.claims.pages([self.webhook.uuid]))[self.webhook.uuid]

    def _opened(self) -> list[bytes]:
        """The keys. A webhook whose secret cannot be decrypted is not sent to: that is a fault of the settings."""
        name, uuid = self.webhook.name, self.webhook.uuid
        try:
            return [
                key_of(self._tools.sealer.open(sealed, webhook_place(uuid, which)).decode())
                for which, sealed in self.webhook.secrets
            ]
        except SealingError as error:
            log.error("webhook.secret", webhook=uuid, name=name, error=str(error))
            self.stop()
            return []

    @property
    def _finished(self) -> bool:
        held = self._health.held_until
        return self._stopping.is_set() or (held is not None and held > utc_now())

    async def _send(self, page: Sequence[Delivery]) -> None:
        self._waiting.extend(_chains(page, ordered=self.webhook.ordered))
        async with asyncio.TaskGroup() as group:
            self._open_lanes(group)
        self._waiting.clear()

    def _open_lanes(self, group: asyncio.TaskGroup) -> None:
        width = 1 if self._health.failing else self._width
        while self._lanes < min(width, self._lanes + len(self._waiting)):
            self._lanes += 1
            group.create_task(self._lane(group))

    async def _lane(self, group: asyncio.TaskGroup) -> None:
        try:
            while self._waiting and not self._finished and self._lanes <= self._width:
                for delivery in self._waiting.popleft():
                    if not await self._delivered(delivery) or self._finished:
                        break
                    self._open_lanes(group)
        finally:
            self._lanes -= 1

    async def _delivered(self, delivery: Delivery) -> bool:
        """Make one attempt and record it. Returns whether the receiver accepted it."""
        await self._paced()
        if self._finished:
            return False
        async with self._tools.places:
            attempt = await self._attempted(delivery)
        outcome = self._outcome(delivery, attempt)
        self._tools.outcomes.add(outcome)
        WEBHOOK_ATTEMPTS.labels(attempt.kind).inc()
        if outcome.state == "delivered" and delivery.attempts == 0 and delivery.event_time is not None:
            WEBHOOK_LAG.observe(max(0.0, utc_now().timestamp() - delivery.event_time.timestamp()))
        return outcome.state == "delivered"

    async def _attempted(self, delivery: Delivery) -> Attempt:
        if delivery.event is None:
            return Attempt("missing", utc_now().timestamp(), 0.0, {}, error=_NO_EVENT)
        return await self._tools.sender.send(
            self.webhook.url,
            self._keys,
            message_id=delivery.event_id,
            content_type=CONTENT_TYPES[self.webhook.format],
            body=body(delivery.event, self.webhook.format),
            trace=delivery.event["trace"],
        )

    async def _paced(self) -> None:
        """Wait for this delivery's turn while the receiver catches up."""
        pause = spacing(self._health, utc_now(), self._tools.settings.catch_up_rate)
        if pause == 0.0:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start)
        self._next_start = start + pause
        try:
            async with asyncio.timeout(start - now):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _outcome(self, delivery: Delivery, attempt: Attempt) -> Outcome:
        now = utc_now()
        tries = delivery.tries + 1
        retry_after = read_retry_after(attempt.retry_after, now)
        if delivery.event is None:
            decision = Decision(Next.EXHAUSTED)
        else:
            schedule = self._tools.settings.retry_seconds
            decision = decide(attempt.status, tries, schedule, chance=random.random(), retry_after=retry_after)  # noqa: S311
        state = {Next.DELIVERED: "delivered", Next.RETRY: "pending"}.get(decision.next, "failed")
        events: list[tuple[str, EventData]] = []
        disabled = None
        if decision.next is Next.DELIVERED:
            events += self._succeeded(delivery, now)
        elif delivery.event is not None:
            disabled = self._failed(attempt, decision, retry_after, now)
        if decision.next is Next.EXHAUSTED and not delivery.event_type.startswith(OWN_FAMILY):
            self._health = replace(self._health, troubled=True)
            events.append(("webhook.exhausted.v1", self._exhausted(delivery, attempt, tries)))
        if disabled is not None:
            events.append(("webhook.disabled.v1", self._disabled(disabled)))
        return Outcome(
            webhook=self.webhook,
            delivery_id=delivery.id,
            attempt=attempt,
            state=state,
            tries=tries,
            attempts=delivery.attempts + 1,
            due=utc_now().timestamp() + decision.delay if state == "pending" else None,
            health=self._health,
            disabled=disabled,
            events=events,
        )

    def _succeeded(self, delivery: Delivery, now: datetime) -> Iterable[tuple[str, EventData]]:
        since = self._health.failing_since
        self._health = after_success(self._health, now)
        self._width = min(self._width + 1, self._tools.settings.concurrency)
        if not self._health.troubled or delivery.event_type.startswith(OWN_FAMILY):
            return
        self._health = replace(self._health, troubled=False)
        data = WebhookRecovered(
            webhook_id=self.webhook.uuid,
            name=self.webhook.name,
            failing_since=since.isoformat() if since else None,
        )
        yield "webhook.recovered.v1", data

    def _failed(self, attempt: Attempt, decision: Decision, retry_after: float | None, now: datetime) -> str | None:
        """Returns why the webhook is disabled, if it is."""
        error = attempt.error or ""
        self._health = after_failure(self._health, now, error, status=attempt.status, retry_after=retry_after)
        self._width = 1
        limit = timedelta(hours=self._tools.settings.disable_after_hours)
        if decision.next is Next.GONE:
            reason = "the receiver answered 410 (Gone)"
        elif should_disable(self._health, now, limit):
            reason = f"no delivery succeeded for {limit.total_seconds() / 3600:g} hours; the last error: {error}"
        else:
            return None
        if self._stopping.is_set():
            return None  # an attempt in flight at the same time has disabled it
        self.stop()
        WEBHOOKS_DISABLED.inc()
        log.warning("webhook.disabled", webhook=self.webhook.uuid, reason=reason)
        return reason

    def _disabled(self, reason: str) -> WebhookDisabled:
        since = self._health.failing_since
        return WebhookDisabled(
            webhook_id=self.webhook.uuid,
            name=self.webhook.name,
            reason=reason,
            failing_since=since.isoformat() if since else None,
        )

    def _exhausted(self, delivery: Delivery, attempt: Attempt, tries: int) -> WebhookExhausted:
        return WebhookExhausted(
            webhook_id=self.webhook.uuid,
            name=self.webhook.name,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            attempts=tries,
            reason=attempt.error or "",
        )


def _chains(page: Sequence[Delivery], *, ordered: bool) -> list[_Chain]:
    """Deliveries that must be sent one after the other: those of a cluster if the webhook is ordered."""
    if not ordered:
        return [(delivery,) for delivery in page]
    chains: dict[str, list[Delivery]] = {}
    for delivery in page:
        chains.setdefault(delivery.cluster_id or f"delivery {delivery.id}", []).append(delivery)
    return list(chains.values())
