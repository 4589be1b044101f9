"""Runs migrations, one process at a time, with a lock timeout.

Rule: the migration runner has its own connection, so that it can hold a session-level advisory lock. A statement that
waits more than a few seconds for a table lock fails, so that it does not block the services; the runner then repeats
it. Each migration is a transaction of its own and changes one existing table, so that none waits for the lock of one
table while it holds that of another: services use both, and there would be deadlocks.
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.models import Base

LOCK = 0x6A65726F626F616D  # "jeroboam"


def _configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        transaction_per_migration=True,
        # `xid8` has no SQLAlchemy type: the column and its index are defined only in the migration.
        include_object=lambda _o, name, _kind, _r, _c: name not in {"tx", "ix_events_tx_seq"},
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SET lock_timeout = '5s'"))
        await connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        await connection.commit()
        try:
            await connection.run_sync(_configure)
            await connection.commit()
        finally:
            await connection.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))
            await connection.commit()
    await engine.dispose()


asyncio.run(_run())
