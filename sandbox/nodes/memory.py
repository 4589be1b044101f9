"""What simulated nodes remember across a restart, as a disk would.

Rule: a node's credential is written down before it is used, since the one-time token that bought it is worth
nothing any more; a node that is gone is forgotten.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Remembered:
    """A node's own credential, and whether it has joined its cluster."""

    credential: str
    joined: bool = False


class NodeMemory:
    """Remembered things by machine id.

    Args:
        data_dir: the folder of `nodes.sqlite`; None keeps everything in memory.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(data_dir / "nodes.sqlite" if data_dir else ":memory:", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS nodes (machine TEXT PRIMARY KEY, credential TEXT NOT NULL, joined INT NOT NULL)"
        )

    def get(self, machine_id: str) -> Remembered | None:
        """What a machine remembers, or None for a new one."""
        row = self._file.execute("SELECT credential, joined FROM nodes WHERE machine = ?", (machine_id,)).fetchone()
        return None if row is None else Remembered(row[0], bool(row[1]))

    def put(self, machine_id: str, remembered: Remembered) -> None:
        """Remember, instead of what was remembered before."""
        self._file.execute(
            "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
            (machine_id, remembered.credential, remembered.joined),
        )

    def forget(self, machine_id: str) -> None:
        """The machine is gone."""
        self._file.execute("DELETE FROM nodes WHERE machine = ?", (machine_id,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
