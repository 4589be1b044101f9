"""Which envelope keys the values in the database were encrypted with, and encrypting them again with the first one.

Rule: values are read and written in small batches, each in a transaction of its own, so it can run beside the services
and be interrupted. A value that no key decrypts stays as it is and is reported.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.db.engine import Database
from shared.db.models import ClusterSecret, NodeFact, Webhook
from shared.pki.cluster_secrets import secret_place
from shared.pki.node_facts import fact_place
from shared.pki.sealing import KEY_ID_PLACE, Sealer, SealingError, webhook_place

BATCH = 200
_CHECK_SECONDS = 30.0
_NAMED = 20  # unreadable values that are named; all are counted


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of encrypted values. `place` makes the context of a value from its primary key."""

    name: str
    value: InstrumentedAttribute[Any]
    key: Sequence[InstrumentedAttribute[Any]]
    place: Callable[..., str]
    encrypted: ColumnElement[bool]

    @property
    def key_id(self) -> ColumnElement[str]:
        return func.encode(func.substr(self.value, *KEY_ID_PLACE), "hex")


_COLUMNS = (
    _Column(
        "secrets of clusters",
        ClusterSecret.secret,
        (ClusterSecret.cluster_id, ClusterSecret.kind),
        secret_place,
        ClusterSecret.secret.is_not(None),
    ),
    _Column("facts of nodes", NodeFact.value, (NodeFact.node_id, NodeFact.name), fact_place, NodeFact.sealed.is_(True)),
    _Column(
        "secrets of webhooks",
        Webhook.secret,
        (Webhook.uuid,),
        lambda uuid: webhook_place(uuid, "current"),
        Webhook.secret.is_not(None),
    ),
    _Column(
        "old secrets of webhooks",
        Webhook.old_secret,
        (Webhook.uuid,),
        lambda uuid: webhook_place(uuid, "old"),
        Webhook.old_secret.is_not(None),
    ),
)


@dataclass(slots=True)
class Resealed:
    """Number of values encrypted again, by kind; number of unreadable ones, with some of the reasons."""

    done: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    reasons: list[str] = field(default_factory=list)


async def keys_in_use(session: AsyncSession) -> Mapping[str, Mapping[str, int]]:
    """ID of a key -> kind of value -> number of values that are encrypted with it."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for column in _COLUMNS:
        query = select(column.key_id.label("key_id"), func.count()).where(column.encrypted).group_by("key_id")
        for key_id, number in await session.execute(query):
            found[key_id][column.name] = number
    return found


async def reseal(db: Database, sealer: Sealer) -> Resealed:
    """Encrypt everything again that is not encrypted with the first key."""
    result = Resealed()
    for column in _COLUMNS:
        after: Sequence[Any] | None = None
        while True:
            async with db.transaction() as session:
                after = await _reseal_batch(session, sealer, column, after, result)
            if after is None:
                break
    return result


async def _reseal_batch(
    session: AsyncSession, sealer: Sealer, column: _Column, after: Sequence[Any] | None, result: Resealed
) -> Sequence[Any] | None:
    """Continue after a primary key; returns the one to continue after, or None at the end."""
    query = (
        select(column.value, *column.key)
        .where(column.encrypted, column.key_id != sealer.key_ids[0])
        .order_by(*column.key)
        .limit(BATCH)
        .with_for_update()
    )
    if after is not None:
        query = query.where(tuple_(*column.key) > tuple_(*after))
    rows = (await session.execute(query)).all()
    for sealed, *key in rows:
        place = column.place(*key)
        try:
            plain = sealer.open(bytes(sealed), place)
        except SealingError as error:
            result.unreadable += 1
            if len(result.reasons) < _NAMED:
                result.reasons.append(str(error))
            continue
        mine = [part == value for part, value in zip(column.key, key, strict=True)]
        await session.execute(
            update(column.value.class_).where(*mine).values({column.value.key: sealer.seal(plain, place)})
        )
        result.done[column.name] = result.done.get(column.name, 0) + 1
    return rows[-1][1:] if len(rows) == BATCH else None


class KeyCheck:
    """Readiness: whether the settings have every key that the database needs. It looks at most every 30 s."""

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._db = db
        self._known = set(sealer.key_ids)
        self._missing: list[str] = []
        self._looked_at = -_CHECK_SECONDS

    async def __call__(self) -> None:
        """Raises SealingError if a key is missing."""
        if time.monotonic() - self._looked_at >= _CHECK_SECONDS:
            async with self._db.transaction() as session:
                self._missing = sorted(set(await keys_in_use(session)) - self._known)
            self._looked_at = time.monotonic()
        if self._missing:
            raise SealingError(f"keys {', '.join(self._missing)} are not in JEROBOAM_SECRET_KEYS")
