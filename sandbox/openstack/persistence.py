"""The snapshot of a simulated cloud: one SQLite file, which is written asynchronously.

Rule: changed rows are written at most every half second and at the end, in one transaction, so the file is always
consistent. A killed cloud loses at most half a second.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from sandbox.openstack.store import Store

EVERY_SECONDS = 0.5
Change = tuple[str, str, str | None]


class Snapshot:
    """Reads a store from a file and keeps the file up to date.

    Args:
        store: the store to persist.
        data_dir: directory of the file `cloud.sqlite`.
    """

    def __init__(self, store: Store, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.store = store
        self._writing: asyncio.Future[None] | None = None
        self._file = sqlite3.connect(data_dir / "cloud.sqlite", check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS rows (kind TEXT, id TEXT, body TEXT NOT NULL, UNIQUE (kind, id))"
        )

    def load(self) -> None:
        """Fill the store, each kind in the order its rows were added."""
        for kind, body in self._file.execute("SELECT kind, body FROM rows ORDER BY rowid"):
            collection = self.store.collections.get(kind)
            if collection is not None:
                collection.add(json.loads(body))
        self.store.dirty.clear()

    async def keep_writing(self) -> None:
        """Write changes periodically until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            changes = self._changes()
            if changes:
                self._writing = asyncio.ensure_future(asyncio.to_thread(self._write, changes))
                await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write remaining changes and close the file; call this when there are no more changes."""
        if self._writing is not None:
            # Cancelling `keep_writing` does not end its thread, which still has an older state to write.
            await self._writing
        self._write(self._changes())
        self._file.close()

    def _changes(self) -> list[Change]:
        changes: list[Change] = []
        for kind, row_id in sorted(self.store.dirty):
            row = self.store.collections[kind].get(row_id)
            changes.append((kind, row_id, None if row is None else json.dumps(row)))
        self.store.dirty.clear()
        return changes

    def _write(self, changes: list[Change]) -> None:
        with self._file:
            self._file.executemany(
                "INSERT INTO rows (kind, id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                [change for change in changes if change[2] is not None],
            )
            self._file.executemany(
                "DELETE FROM rows WHERE kind = ? AND id = ?",
                [change[:2] for change in changes if change[2] is None],
            )
