"""Runs migrations: one at a time over the whole fleet, with limits on locks.

Rule: the migration runner owns its connection, so it may hold a session advisory lock; a statement that waits longer
for a table lock than a few seconds fails instead of stopping the services behind it.
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
        # `xid8` has no SQLAlchemy type: the column and its index live in the migration alone.
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
