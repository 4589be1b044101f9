"""Stores the state of simulated nodes across restarts, like a disk.

Rule: a node's credential is stored before it is used, because the one-time token is no longer valid. The state of a
deleted node is deleted.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Remembered:
    """A node's credential, whether it has joined its cluster, and whether the API has accepted the report of that."""

    credential: str
    joined: bool = False
    reported: bool = False


class NodeMemory:
    """Stored state by machine ID.

    Args:
        data_dir: directory of `nodes.sqlite`; None keeps everything in memory.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(data_dir / "nodes.sqlite" if data_dir else ":memory:", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            # `joined` is 2 once it has been reported.
            "CREATE TABLE IF NOT EXISTS nodes (machine TEXT PRIMARY KEY, credential TEXT NOT NULL, joined INT NOT NULL)"
        )

        self._file.execute(
            "CREATE TABLE IF NOT EXISTS members (name TEXT PRIMARY KEY, machine TEXT NOT NULL, cluster TEXT NOT NULL, "
            "observes INT NOT NULL)"
        )

    def members(self) -> list[tuple[str, str, str, int]]:
        """The members of the simulated engines: name, machine, cluster, whether it tells the states of all."""
        return self._file.execute("SELECT name, machine, cluster, observes FROM members").fetchall()

    def put_member(self, name: str, machine_id: str, cluster: str, *, observes: bool) -> None:
        """Store a member, replacing the previous one of that name."""
        self._file.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", (name, machine_id, cluster, observes))

    def forget_member(self, name: str) -> None:
        """Delete a member."""
        self._file.execute("DELETE FROM members WHERE name = ?", (name,))

    def get(self, machine_id: str) -> Remembered | None:
        """The stored state of a machine, or None for a new one."""
        row = self._file.execute("SELECT credential, joined FROM nodes WHERE machine = ?", (machine_id,)).fetchone()
        return None if row is None else Remembered(row[0], row[1] > 0, row[1] > 1)

    def put(self, machine_id: str, remembered: Remembered) -> None:
        """Store the state of a machine, replacing the previous one."""
        self._file.execute(
            "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
            (machine_id, remembered.credential, remembered.joined + remembered.reported),
        )

    def forget(self, machine_id: str) -> None:
        """Delete the state of a machine."""
        self._file.execute("DELETE FROM nodes WHERE machine = ?", (machine_id,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
