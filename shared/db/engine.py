"""The database: one pool per process, one transaction per unit of work.

Rule: only the entry point of a unit of work (a request, a message, a step's record) opens a transaction; the code below
does not commit. No network call is made inside a transaction. LISTEN uses a separate connection, because it belongs to
a session. Notifications only shorten waits; polling guarantees progress. Transactions can go through a pooler in
transaction mode, such as pgbouncer; connections outside the pool never do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine

from shared.db.away import is_away
from shared.db.statement_spans import record_statements

log = structlog.get_logger(__name__)

_NOTIFY = text("SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) channel")
# A transaction that hangs must not block others forever.
_SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "60000", "lock_timeout": "15000"}


def session_arguments(application_name: str, *, pooled: bool, **settings: str) -> Mapping[str, Any]:
    """Arguments of asyncpg for connections that are kept in a pool.

    A pooler in transaction mode gives each transaction another session: it refuses settings of the session other than
    the name, and a prepared statement is not found by the next transaction.

    Args:
        pooled: the connection goes through a pooler.
        settings: parameters of the session, without a pooler.
    """
    if pooled:
        return {"server_settings": {"application_name": application_name}, "statement_cache_size": 0}
    return {"server_settings": {"application_name": application_name, **settings}}


class Database:
    """Access to Postgres for the services.

    Args:
        url: `postgresql+asyncpg://...`, without a pooler.
        application_name: shown in `pg_stat_activity`; the name of the service.
        pool_size: number of connections in the pool.
        pooler_url: the same database through a pooler in transaction mode, for the pool.
    """

    def __init__(self, url: str, *, application_name: str, pool_size: int = 10, pooler_url: str | None = None) -> None:
        self._url = make_url(url)
        unnamed = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str} if pooler_url else {}
        self._engine = create_async_engine(
            pooler_url or url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=False,
            connect_args={
                "timeout": 10,
                "command_timeout": 60,
                **session_arguments(application_name, pooled=pooler_url is not None, **_SERVER_SETTINGS),
                **unnamed,
            },
        )
        record_statements(self._engine.sync_engine)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that is committed at the end of the block, or rolled back after an exception."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool on which each statement is a transaction of its own."""
        async with self._engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    async def ping(self) -> None:
        """Raise an exception unless the database responds within five seconds."""
        async with asyncio.timeout(5), self.transaction() as session:
            await session.execute(text("SELECT 1"))

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, for plain SQL and LISTEN. The caller closes it."""
        _, arguments = self._engine.dialect.create_connect_args(self._url)
        return await asyncpg.connect(**arguments, timeout=10, command_timeout=60, server_settings=_SERVER_SETTINGS)

    async def listen(self, channels: list[str], wake: Callable[[str], None]) -> None:
        """Call `wake(channel)` for each notification, until cancelled. Reconnects automatically.

        A reconnect wakes every channel once, because notifications in the meantime are lost.
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
            except Exception as error:
                log.warning("listening.interrupted", error=str(error), exc_info=None if is_away(error) else error)
                await asyncio.sleep(1)
            finally:
                if connection is not None:
                    with suppress(Exception):
                        await connection.close(timeout=2)

    async def close(self) -> None:
        await self._engine.dispose()


async def notify(session: AsyncSession, *channels: str) -> None:
    """Wake listeners when the transaction commits. Postgres sends equal notifications of one transaction only once."""
    await session.execute(_NOTIFY, {"channels": list(channels)})
