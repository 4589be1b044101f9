"""The database: one pool a process, one transaction a unit of work.

Rule: only the edge opens a transaction (a request, a message, a step's record); nothing below commits. No network
call is made inside one. Listening uses a connection of its own, because notifications belong to a session; they only
shorten a wait, polling is the guarantee.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

log = structlog.get_logger(__name__)

# One transaction that hangs must not block the others for ever.
_SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "60000", "lock_timeout": "15000"}


class Database:
    """Postgres as the services see it.

    Args:
        url: `postgresql+asyncpg://...`.
        application_name: shown in `pg_stat_activity`; name of the service.
        pool_size: connections kept.
    """

    def __init__(self, url: str, *, application_name: str, pool_size: int = 10) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=False,
            connect_args={
                "timeout": 10,
                "command_timeout": 60,
                "server_settings": _SERVER_SETTINGS | {"application_name": application_name},
            },
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that commits when the block ends well and rolls back otherwise."""
        async with self._sessions() as session, session.begin():
            yield session

    async def ping(self) -> None:
        """Raise unless the database answers within five seconds."""
        async with asyncio.timeout(5), self.transaction() as session:
            await session.execute(text("SELECT 1"))

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, for plain SQL and LISTEN. The caller closes it."""
        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        return await asyncpg.connect(**arguments, timeout=10, command_timeout=60, server_settings=_SERVER_SETTINGS)

    async def listen(self, channels: list[str], wake: Callable[[str], None]) -> None:
        """Call `wake(channel)` at each notification, until cancelled; reconnects by itself.

        A reconnect wakes every channel once, since what was notified meanwhile is lost.
        """
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await self.connect()
                for channel in channels:
                    await connection.add_listener(channel, lambda _c, _p, name, _payload: wake(name))
                    wake(channel)
                while not connection.is_closed():
                    await asyncio.sleep(10)
                    await connection.execute("SELECT 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("listening.interrupted", error=str(error))
                await asyncio.sleep(1)
            finally:
                if connection is not None:
                    with suppress(Exception):
                        await connection.close(timeout=2)

    async def close(self) -> None:
        await self._engine.dispose()


async def notify(session: AsyncSession, channel: str) -> None:
    """Wake listeners when the transaction commits. Postgres folds equal notifications of one transaction into one."""
    await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})
