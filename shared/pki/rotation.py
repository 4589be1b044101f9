"""Rotates certificate authorities so that all components of a cluster trust each other at every point.

Rule: the `certificate` of an authority's row is the list of all trusted certificates, the signing one first, and its
`secret` is the key of the signing one. Therefore the row can be written to a file or used to sign in every phase:

    before      [old]        signs with old
    trusted     [old, new]   signs with old; the new key waits in the row `<name>.next`
    signing     [new, old]   signs with new
    after       [new]        signs with new

Every function is idempotent and does nothing if its phase is already reached. An interrupted rotation is continued by
the next one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from functools import partial

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import KeyAlgorithm
from shared.db.engine import Database
from shared.db.models import ClusterSecret
from shared.domain.clock import utc_now
from shared.pki.authority import make_authority
from shared.pki.cluster_secrets import open_secret, seal_secret
from shared.pki.sealing import Sealer

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


def certificates(bundle: str) -> list[str]:
    """The PEM certificates of a text, in order."""
    return _CERTIFICATE.findall(bundle)


async def ensure_successors(
    db: Database, sealer: Sealer, *, cluster_id: str, cluster_name: str, names: Iterable[str], algorithm: KeyAlgorithm
) -> None:
    """Generate a successor for each of a cluster's authorities, unless they are already being rotated.

    Args:
        db: used for two short transactions; none is open while keys are generated.
        cluster_name: the common name, to which the time is added: chains are built by name, so names must be unique.
        names: names of the secrets of kind CA.
        algorithm: of the new keys.
    """
    async with db.transaction() as session:
        rows = await _rows(session, cluster_id)
    current = [rows[name] for name in names if name in rows]
    if any(_next(row.kind) in rows or len(_trusted(row)) > 1 for row in current):
        return
    now = utc_now()
    subject = f"{cluster_name[:40]} {now:%Y-%m-%dT%H:%M:%SZ}"
    make = partial(make_authority, subject, now=now, algorithm=algorithm)
    made = await asyncio.gather(*(asyncio.to_thread(make) for _ in current))
    values = [
        {
            "cluster_id": cluster_id,
            "kind": _next(row.kind),
            "certificate": material.public,
            "secret": seal_secret(sealer, cluster_id, _next(row.kind), material.private),
        }
        for row, material in zip(current, made, strict=True)
    ]
    if values:
        async with db.transaction() as session:
            await session.execute(insert(ClusterSecret).values(values).on_conflict_do_nothing())


async def trust_successors(session: AsyncSession, cluster_id: str) -> None:
    """Trust the successors in addition to the signing authorities. The caller holds the cluster's lock."""
    for current, successor in await _pairs(session, cluster_id):
        if len(_trusted(current)) == 1:
            assert successor.certificate is not None
            current.certificate = "".join([*_trusted(current), successor.certificate])


async def let_successors_sign(session: AsyncSession, sealer: Sealer, cluster_id: str) -> bool:
    """Sign with the successors; the predecessors remain trusted. The caller holds the cluster's lock.

    Returns whether that is new.
    """
    pairs = await _pairs(session, cluster_id)
    for current, successor in pairs:
        assert successor.certificate is not None
        before = [each for each in _trusted(current) if each != successor.certificate]
        current.certificate = "".join([successor.certificate, *before])
        key = open_secret(sealer, successor).secret
        current.secret = seal_secret(sealer, cluster_id, current.kind, key)
        await session.delete(successor)
    return bool(pairs)


async def forget_predecessors(session: AsyncSession, cluster_id: str, names: Iterable[str]) -> None:
    """Trust only the signing authorities. The caller holds the cluster's lock."""
    rows = await _rows(session, cluster_id)
    for name in names:
        if name in rows and _next(name) not in rows:
            rows[name].certificate = _trusted(rows[name])[0]


async def _rows(session: AsyncSession, cluster_id: str) -> dict[str, ClusterSecret]:
    found = await session.scalars(select(ClusterSecret).where(ClusterSecret.cluster_id == cluster_id))
    return {row.kind: row for row in found}


async def _pairs(session: AsyncSession, cluster_id: str) -> list[tuple[ClusterSecret, ClusterSecret]]:
    """Pairs of an authority and its pending successor."""
    rows = await _rows(session, cluster_id)
    return [(row, rows[_next(name)]) for name, row in rows.items() if _next(name) in rows]


def _trusted(row: ClusterSecret) -> list[str]:
    assert row.certificate is not None
    return certificates(row.certificate)


def _next(name: str) -> str:
    return f"{name}.next"
