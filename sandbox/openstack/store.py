"""The state of the simulated cloud: indexed rows, with a record of changes.

Rule: every change uses a `Collection`, which updates the indexes and records the change for the snapshot
(`persistence.py`). A row is a plain dict in the format of its API; keys that begin with an underscore are internal and
never returned.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

Row = dict[str, Any]
Index = Callable[[Row], Iterable[Hashable]]


def new_id() -> str:
    """A random UUID with dashes, as Nova, Neutron, Heat and Glance use."""
    return str(uuid.uuid4())


def by(field: str) -> Index:
    """An index on one plain field."""
    return lambda row: (row.get(field),)


def public(row: Row) -> Row:
    """The row without internal keys."""
    return {key: value for key, value in row.items() if not key.startswith("_")}


class Collection:
    """Rows of one kind in the order they were added.

    Args:
        name: the kind, e.g. `ports`.
        indexes: index name -> function that returns the keys of a row.
        changed: called with (kind, id) after each change.
    """

    def __init__(self, name: str, indexes: dict[str, Index], changed: Callable[[str, str], None]) -> None:
        self.name = name
        self.rows: dict[str, Row] = {}
        self._functions = indexes
        # Buckets are dicts used as ordered sets: listing keeps the order of creation.
        self._buckets: dict[str, dict[Hashable, dict[str, None]]] = {key: {} for key in indexes}
        self._keys: dict[str, dict[str, tuple[Hashable, ...]]] = {}
        self._changed = changed

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self.rows.values()))

    def __contains__(self, row_id: object) -> bool:
        return row_id in self.rows

    def get(self, row_id: str | None) -> Row | None:
        """The row of that id, or None."""
        return self.rows.get(row_id) if row_id is not None else None

    def add(self, row: Row) -> Row:
        """Insert a row; it must have an `id`."""
        self.rows[row["id"]] = row
        self._index(row)
        self._changed(self.name, row["id"])
        return row

    def update(self, row: Row, **changes: Any) -> Row:
        """Change fields of a row in place."""
        row.update(changes)
        self._index(row)
        self._changed(self.name, row["id"])
        return row

    def remove(self, row_id: str) -> Row | None:
        """Remove a row. Returns None if it did not exist."""
        row = self.rows.pop(row_id, None)
        if row is None:
            return None
        for name, keys in self._keys.pop(row_id, {}).items():
            self._discard(name, keys, row_id)
        self._changed(self.name, row_id)
        return row

    def has_index(self, name: str) -> bool:
        """Whether this index exists."""
        return name in self._functions

    def where(self, index: str, key: Hashable) -> list[Row]:
        """The rows an index lists under `key`, oldest first."""
        return [self.rows[row_id] for row_id in self._buckets[index].get(key, ())]

    def count(self, index: str, key: Hashable) -> int:
        """How many rows an index lists under `key`."""
        return len(self._buckets[index].get(key, ()))

    def _index(self, row: Row) -> None:
        row_id = row["id"]
        known = self._keys.setdefault(row_id, {})
        for name, function in self._functions.items():
            keys = tuple(function(row))
            before = known.get(name)
            if keys == before:
                continue
            if before is not None:
                self._discard(name, before, row_id)
            for key in keys:
                self._buckets[name].setdefault(key, {})[row_id] = None
            known[name] = keys

    def _discard(self, name: str, keys: tuple[Hashable, ...], row_id: str) -> None:
        for key in keys:
            bucket = self._buckets[name].get(key)
            if bucket is not None:
                bucket.pop(row_id, None)
                if not bucket:
                    del self._buckets[name][key]


class Store:
    """All collections, and the set of rows changed since the last snapshot."""

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self.dirty: set[tuple[str, str]] = set()

    def collection(self, kind: str, /, **indexes: Index) -> Collection:
        """Declare a collection; done once, by the service that owns it."""
        made = Collection(kind, indexes, lambda name, row_id: self.dirty.add((name, row_id)))
        self.collections[kind] = made
        return made
