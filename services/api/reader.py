"""Plain SQL for GET requests: one statement, one round trip, no ORM.

Rule: this only reads. Each query is a single statement outside any transaction and limited to what the caller can see.
The ORM would cost more than the query itself, and lists are the most frequent requests. Writes use `shared.db.engine`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from shared.db.engine import session_arguments
from shared.db.statement_spans import statement_span

Row = Mapping[str, Any]
ROW_TEXT = "octet_length(p::text)"


class Reader:
    """A pool of read-only connections.

    Args:
        url: `postgresql://...` (SQLAlchemy's dialect suffix is accepted).
        pooled: `url` is that of a pooler in transaction mode.
        size: maximum number of connections.
        page_bytes: size of the rows of a list after which its page ends.
    """

    def __init__(self, url: str, *, pooled: bool = False, size: int = 10, page_bytes: int = 2**21) -> None:
        self._url = url.replace("+asyncpg", "", 1)
        self._pooled = pooled
        self._size = size
        self._page_bytes = page_bytes
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._url,
            # No minimum number of connections: a restart of the database must not fill the log with attempts.
            min_size=0,
            max_size=self._size,
            timeout=10,
            command_timeout=30,
            init=_decode_json,
            # Single statements leave no session state, so the round trip of the reset is avoided.
            reset=_nothing_to_reset,
            **session_arguments("jeroboam-api-reader", pooled=self._pooled, default_transaction_read_only="on"),
        )

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        assert self._pool is not None
        async with self._pool.acquire(timeout=10) as connection:
            with statement_span(sql):
                found: list[Row] = await connection.fetch(sql, *args)
            return found

    async def page(self, sql: str, *args: Any, weight: str = ROW_TEXT) -> list[Row]:
        """The rows of a list, up to `page_bytes` of them; at least one. The database sends no more than these.

        Args:
            sql: the statement, with its ORDER BY and LIMIT.
            weight: SQL for the size of a row `p`, in bytes.

        Returns:
            Rows with an additional column `page_rows`: the number of rows without the limit in bytes.
        """
        before = f"sum({weight}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before"
        counted = f"SELECT p.*, count(*) OVER () AS page_rows, {before} FROM ({sql}) p"  # noqa: S608 - constants
        limit = f"bytes_before IS NULL OR bytes_before < ${len(args) + 1}"
        bounded = f"SELECT * FROM ({counted}) q WHERE {limit}"  # noqa: S608
        return await self.rows(bounded, *args, self._page_bytes)

    async def row(self, sql: str, *args: Any) -> Row | None:
        found = await self.rows(sql, *args)
        return found[0] if found else None


async def _decode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _nothing_to_reset(_connection: asyncpg.Connection) -> None:
    return None
