"""Migrates a database to the newest schema."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random

log = structlog.get_logger(__name__)
ATTEMPTS = 20
# SQLSTATEs: a lock was not free for `lock_timeout`; a deadlock.
_LOCKED = frozenset({"55P03", "40P01"})


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file, so that an installed wheel can also migrate.

    Args:
        url: `postgresql+asyncpg://...`.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`. Several processes can run it concurrently: the second one waits and has nothing to do.

    Services may be running. A migration that waits for them too long is undone and repeated, so that they do not wait.

    Raises:
        DBAPIError: the database is away, or tables were locked at each of the attempts.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_is_locked),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(0.5, 2),
        before_sleep=_report,
        reraise=True,
    ):
        with attempt:
            # Alembic's env runs its own event loop, so it needs a separate thread.
            await asyncio.to_thread(command.upgrade, alembic_config(url), revision)


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _LOCKED


def _report(state: RetryCallState) -> None:
    assert state.outcome is not None
    log.warning(
        "migration.repeated", attempt=state.attempt_number, error=str(state.outcome.exception()).partition("\n")[0]
    )
