"""What the API's code is given: one value, made at start, handed to everything.

Rule: nothing in the API reads the environment or keeps module state; a test hands in what it wants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from services.api.nodes.command_watch import CommandWatch
from services.api.policy import Policy
from services.api.reader import Reader
from services.api.wakeups import Wakeups
from shared.bus.contract import Bus
from shared.cloud.contract import CloudFactory
from shared.db.engine import Database
from shared.domain.clock import utc_now
from shared.pki.sealing import Sealer
from shared.settings import Settings


@dataclass(slots=True)
class Deps:
    """Everything a use case may need."""

    settings: Settings
    db: Database
    reader: Reader
    clouds: CloudFactory
    policy: Policy
    sealer: Sealer
    wakeups: Wakeups
    commands: CommandWatch
    clock: Callable[[], datetime] = utc_now
    bus: Bus | None = None  # only asked whether it is there, for readiness
    closing: bool = False

    def close_waiters(self) -> None:
        """End long polls and streams, because the process is asked to stop."""
        self.closing = True
        self.wakeups.wake_all()
        self.commands.release()


def deps_of(request: Request) -> Deps:
    found: Deps = request.app.state.deps
    return found


def make_deps(settings: Settings, db: Database, clouds: CloudFactory, *, bus: Bus | None = None) -> Deps:
    """The usual set; opened and closed by the application's lifespan."""
    reader = Reader(settings.database_url.get_secret_value(), size=settings.database_pool_size)
    wakeups = Wakeups(db)
    return Deps(
        settings=settings,
        db=db,
        reader=reader,
        clouds=clouds,
        policy=Policy(settings.policy_file),
        sealer=Sealer(settings.secret_keys),
        wakeups=wakeups,
        commands=CommandWatch(reader, wakeups),
        bus=bus,
    )
