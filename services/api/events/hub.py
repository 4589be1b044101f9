"""Feeds all event streams of this process from one reader of the log.

Rule: one task reads each new event once, whoever listens, and offers it to the subscriptions of its project. It never
waits for a subscription: each has a bounded queue, and one that does not keep up is cut. A subscription receives every
event after its `start`, which is the hub's position when it joined; what was before is read from the log
(`services.api.events.stream`). Without subscriptions, the hub does not read.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress

import structlog

from services.api.events.access import LogAccess
from services.api.events.frames import Frame, frame_of
from services.api.wakeups import Wakeups, happens
from shared.events.log import CHANNEL
from shared.events.reader import Selection
from shared.telemetry.metrics import STREAMS_CUT

BATCH = 200
AT_ONCE = 16384
_PARTS = 4
_ROUNDS = 6
_EVERYTHING = Selection()

log = structlog.get_logger(__name__)


class Subscription:
    """The queue of one stream.

    Args:
        selection: the events that it receives.
        most, most_bytes: limits of the queue; a frame is shared by all queues that hold it.
    """

    __slots__ = ("_bytes", "_changed", "_most", "_most_bytes", "_queue", "ended", "selection", "start")

    def __init__(self, selection: Selection, most: int, most_bytes: int) -> None:
        self.selection = selection
        self.start: int | None = None
        self.ended = False
        self._most = most
        self._most_bytes = most_bytes
        self._queue: deque[Frame] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    def offer(self, frame: Frame) -> None:
        """Queue a frame. If there is no room, the stream ends after what is queued."""
        if self.ended:
            return
        if len(self._queue) >= self._most or self._bytes + len(frame.text) > self._most_bytes:
            STREAMS_CUT.labels("queue").inc()
            self.end()
            return
        self._queue.append(frame)
        self._bytes += len(frame.text)
        self._changed.set()

    def begin(self, position: int) -> None:
        self.start = position
        self._changed.set()

    def end(self) -> None:
        self.ended = True
        self._changed.set()

    async def changes(self, seconds: float) -> None:
        """Wait until there is something new, the subscription has ended, or `seconds` have passed."""
        if await happens(self._changed, seconds):
            self._changed.clear()

    def take(self) -> list[Frame]:
        """The next frames, about AT_ONCE bytes, so that little is copied for a client that is slow. May be nothing."""
        taken: list[Frame] = []
        size = 0
        while self._queue and size < AT_ONCE:
            frame = self._queue.popleft()
            size += len(frame.text)
            taken.append(frame)
        self._bytes -= size
        return taken


class _Pace:
    """Lets the streams send now and then, so that a burst alone fills no queue, however small its client's delay.

    Args:
        most, most_bytes: limits of the queues.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most // _PARTS
        self._most_bytes = most_bytes // _PARTS
        self._frames = self._bytes = 0

    async def add(self, frame: Frame) -> None:
        self._frames += 1
        self._bytes += len(frame.text)
        if self._frames >= self._most or self._bytes >= self._most_bytes:
            self._frames = self._bytes = 0
            # Each round runs every task that is ready; a stream needs a few to wake up, take and send.
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)


class Hub:
    """Args:
    access: reads the log.
    wakeups: end the pause between polls.
    poll_seconds: longest delay of an event when no notification arrives.
    queue_events, queue_bytes: limits of each subscription.
    """

    def __init__(
        self, access: LogAccess, wakeups: Wakeups, *, poll_seconds: float, queue_events: int, queue_bytes: int
    ) -> None:
        self._access = access
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._limits = (queue_events, queue_bytes)
        self._by_project: defaultdict[str | None, set[Subscription]] = defaultdict(set)
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.position: int | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event-hub")

    async def stop(self) -> None:
        self.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def close(self) -> None:
        """End all streams; the process stops."""
        self._closed = True
        for subscription in self._all():
            subscription.end()

    def subscription(self, selection: Selection) -> Subscription:
        """A subscription that has not joined yet."""
        return Subscription(selection, *self._limits)

    def join(self, subscription: Subscription) -> None:
        """Queue events for it from its `start` on, which is set as soon as the hub has a position."""
        self._by_project[subscription.selection.project_id].add(subscription)
        if self._closed:
            subscription.end()
        if self.position is not None:
            subscription.begin(self.position)
        self._wanted.set()

    def leave(self, subscription: Subscription) -> None:
        project_id = subscription.selection.project_id
        self._by_project[project_id].discard(subscription)
        if not self._by_project[project_id]:
            del self._by_project[project_id]

    async def _run(self) -> None:
        while True:
            if not self._by_project:
                self.position = None
                self._wanted.clear()
                await self._wanted.wait()
            change = self._wakeups.expect(CHANNEL)
            try:
                await self._access.settle()
                await self._begin() if self.position is None else await self._read(self.position)
            except Exception as error:
                # The database is away: streams stay open, and the next round reads what they missed.
                log.warning("event_hub.delayed", error=str(error) or type(error).__name__)
            await happens(change, self._poll_seconds)

    async def _begin(self) -> None:
        extent = await self._access.extent()
        self.position = extent.last
        for subscription in self._all():
            subscription.begin(extent.last)

    async def _read(self, position: int) -> None:
        while events := await self._access.page(_EVERYTHING, after=position, limit=BATCH):
            offered = _Pace(*self._limits)
            for event in events:
                frame: Frame | None = None
                for subscription in self._listeners(event.project_id):
                    if subscription.selection.matches(event):
                        frame = frame or frame_of(event)
                        subscription.offer(frame)
                self.position = position = event.position
                if frame is not None:
                    await offered.add(frame)
            if len(events) < BATCH:
                return

    def _all(self) -> list[Subscription]:
        return [each for group in self._by_project.values() for each in group]

    def _listeners(self, project_id: str) -> Iterable[Subscription]:
        yield from self._by_project.get(project_id, ())
        yield from self._by_project.get(None, ())
