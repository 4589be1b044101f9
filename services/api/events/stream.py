"""One event stream: what was before, from the log, then what the hub reads.

Rule: a stream holds no database connection while it waits or sends. It joins the hub before it reads the last part of
the log, which ends where the hub began to queue for it, so that nothing is skipped and nothing is sent twice. A client
that takes nothing for `write_seconds`, or whose queue is full, is cut; it resumes from the last `id` that it received.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.api.events.access import LogAccess
from services.api.events.frames import frame_of, greeting, keep_alive
from services.api.events.hub import Hub, Subscription
from shared.events.reader import Selection
from shared.settings import StreamSettings
from shared.telemetry.metrics import STREAMS_CUT, STREAMS_OPEN

PAGE = 200
log = structlog.get_logger(__name__)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def follow(
    hub: Hub, access: LogAccess, subscription: Subscription, position: int, settings: StreamSettings
) -> AsyncGenerator[bytes]:
    """Yield the parts of a stream until the subscription ends or its time is over.

    Args:
        subscription: has not joined; the caller lets it leave.
        position: only later events are sent.
    """
    selection = subscription.selection
    until = time.monotonic() + settings.seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads reconnections
    yield greeting(random.randint(1000, 5000))  # noqa: S311
    # Most of the history comes before the queue exists, so that it does not fill meanwhile.
    upto: int | None = None
    while not subscription.ended:
        events = await access.history(selection, after=position, upto=upto, limit=PAGE)
        if events:
            position = events[-1].position
            yield b"".join(frame_of(event).text for event in events)
        if len(events) == PAGE:
            continue
        if upto is not None:
            position = max(position, upto)
            break
        hub.join(subscription)
        while subscription.start is None and not subscription.ended:
            await subscription.changes(settings.heartbeat_seconds)
            if subscription.start is None:
                yield keep_alive(None)
        upto = subscription.start
    last_sent = time.monotonic()
    while time.monotonic() < until:
        ended = subscription.ended
        frames = subscription.take()
        unsent = b"".join(frame.text for frame in frames if frame.position > position)
        if unsent:
            last_sent = time.monotonic()
            yield unsent
        if frames:
            continue
        if ended:
            return
        left = settings.heartbeat_seconds - (time.monotonic() - last_sent)
        if left <= 0:
            last_sent = time.monotonic()
            # Everything up to the hub's position has been sent, as the queue is empty.
            yield keep_alive(max(position, hub.position or 0))
        else:
            await subscription.changes(min(left, max(0.0, until - time.monotonic())))


class EventStream(Response):
    """The response.

    Args:
        position: only later events are sent.
        release: called when the stream has ended.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        hub: Hub,
        access: LogAccess,
        selection: Selection,
        position: int,
        settings: StreamSettings,
        release: Callable[[], None],
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._parts = (hub, access)
        self._selection = selection
        self._position = position
        self._settings = settings
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub, access = self._parts
        subscription = hub.subscription(self._selection)
        watch = asyncio.create_task(_until_gone(receive, subscription))
        parts = follow(hub, access, subscription, self._position, self._settings)
        STREAMS_OPEN.inc()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send_all(parts, send)
        finally:
            STREAMS_OPEN.dec()
            self._release()
            hub.leave(subscription)
            watch.cancel()
            await parts.aclose()

    async def _send_all(self, parts: AsyncGenerator[bytes], send: Send) -> None:
        more = True
        while more:
            try:
                part = await anext(parts, b"")
            except Exception as error:
                # The status is sent already. A stream that ends is resumed by its client.
                log.warning("stream.ended", error=str(error) or type(error).__name__)
                part = b""
            more = bool(part)
            try:
                async with asyncio.timeout(self._settings.write_seconds):
                    await send({"type": "http.response.body", "body": part, "more_body": more})
            except TimeoutError:
                STREAMS_CUT.labels("write").inc()
                return


async def _until_gone(receive: Receive, subscription: Subscription) -> None:
    """End the subscription when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.end()
