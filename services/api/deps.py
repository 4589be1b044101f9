"""The dependencies of the API, created at start and passed to all its code.

Rule: the API reads no environment variables and keeps no module state, so that tests can replace every dependency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from services.api.events.access import LogAccess
from services.api.events.hub import Hub
from services.api.nodes.command_watch import CommandWatch
from services.api.nodes.heartbeats import QuietHeartbeats
from services.api.nodes.told import Told
from services.api.places import Places, poll_places, stream_places
from services.api.policy import Policy
from services.api.preflight.answers import Answers
from services.api.preflight.promises import Promises
from services.api.rates import Rates
from services.api.reader import Reader
from services.api.wakeups import Wakeups
from shared.bus.contract import Bus
from shared.cloud.contract import CloudFactory
from shared.db.engine import Database
from shared.domain.clock import utc_now
from shared.pki.sealing import Sealer
from shared.settings import Settings
from shared.webhooks.targets import TargetPolicy


@dataclass(slots=True)
class Deps:
    """The dependencies of use cases."""

    settings: Settings
    db: Database
    reader: Reader
    clouds: CloudFactory
    policy: Policy
    sealer: Sealer
    wakeups: Wakeups
    commands: CommandWatch
    answers: Answers
    promises: Promises
    heartbeats: QuietHeartbeats
    targets: TargetPolicy
    event_log: LogAccess
    hub: Hub
    stream_places: Places
    poll_places: Places
    rates: Rates
    told: Told = field(default_factory=Told)
    clock: Callable[[], datetime] = utc_now
    bus: Bus | None = None  # only its availability is checked, for readiness
    closing: bool = False

    def close_waiters(self) -> None:
        """End long polls and streams when the process stops."""
        self.closing = True
        self.wakeups.wake_all()
        self.commands.release()
        self.hub.close()


def deps_of(request: Request) -> Deps:
    found: Deps = request.app.state.deps
    return found


def make_deps(settings: Settings, db: Database, clouds: CloudFactory, *, bus: Bus | None = None) -> Deps:
    """Create the default dependencies; the application's lifespan opens and closes them."""
    streams = settings.streams

    def new_reader(size: int) -> Reader:
        pooled = settings.database_pooler_url is not None
        url = (settings.database_pooler_url or settings.database_url).get_secret_value()
        return Reader(url, pooled=pooled, size=size, page_bytes=settings.limits.page_bytes)

    reader = new_reader(settings.database_pool_size)
    wakeups = Wakeups(db)
    # One connection is left for the hub, and one for lists.
    event_log = LogAccess(db, new_reader(streams.pool_size + 2), places=streams.pool_size)
    return Deps(
        settings=settings,
        db=db,
        reader=reader,
        clouds=clouds,
        policy=Policy(settings.policy_file),
        sealer=Sealer(settings.secret_keys),
        wakeups=wakeups,
        commands=CommandWatch(reader, wakeups),
        answers=Answers(settings.preflight_cache_size),
        promises=Promises(settings.preflight_promise_seconds),
        heartbeats=QuietHeartbeats(db, settings.heartbeat_seconds),
        targets=TargetPolicy.of(settings),
        event_log=event_log,
        hub=Hub(
            event_log,
            wakeups,
            poll_seconds=settings.poll_seconds,
            queue_events=streams.queue_events,
            queue_bytes=streams.queue_bytes,
        ),
        stream_places=stream_places(streams),
        poll_places=poll_places(streams),
        rates=Rates(settings.limits, heartbeat_seconds=settings.heartbeat_seconds),
        bus=bus,
    )
