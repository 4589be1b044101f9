"""Replaces authorities and key pairs so that all components of a cluster trust each other at every point.

Rule: the `certificate` of a row is the list of all accepted certificates or public keys, the signing one first, and its
`secret` is the signing key. Therefore the row can be written to a file or used to sign in every phase:

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
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import KeyAlgorithm, SecretKind
from shared.db.engine import Database
from shared.db.models import ClusterSecret
from shared.domain.clock import utc_now
from shared.pki.authority import KeyMaterial, make_authority, make_key_pair
from shared.pki.cluster_secrets import open_secret, seal_secret
from shared.pki.sealing import Sealer

_BLOCK = re.compile(r"-----BEGIN (CERTIFICATE|PUBLIC KEY)-----.+?-----END \1-----\n?", re.DOTALL)


def blocks(bundle: str) -> list[str]:
    """The PEM certificates and public keys of a text, in order."""
    return [found[0] for found in _BLOCK.finditer(bundle)]


def rotated(declared: Mapping[str, SecretKind], kind: SecretKind | None = None) -> list[str]:
    """The names of the secrets that a rotation replaces: those of one kind, or authorities and key pairs."""
    kinds = (SecretKind.CA, SecretKind.KEY_PAIR) if kind is None else (kind,)
    return [name for name, each in declared.items() if each in kinds]


async def ensure_successors(
    db: Database,
    sealer: Sealer,
    *,
    cluster_id: str,
    cluster_name: str,
    kinds: Mapping[str, SecretKind],
    algorithm: KeyAlgorithm,
) -> None:
    """Generate a successor for each authority and key pair of a cluster, unless they are already being rotated.

    Args:
        db: used for two short transactions; none is open while keys are generated.
        cluster_name: the common name, to which the time is added: chains are built by name, so names must be unique.
        kinds: the secrets that the engine declares: name -> kind.
        algorithm: of the new keys.
    """
    async with db.transaction() as session:
        rows = await _rows(session, cluster_id)
    current = [rows[name] for name in rotated(kinds) if name in rows]
    if any(_next(row.kind) in rows or len(_accepted(row)) > 1 for row in current):
        return
    now = utc_now()
    subject = f"{cluster_name[:40]} {now:%Y-%m-%dT%H:%M:%SZ}"

    def make(name: str) -> KeyMaterial:
        if kinds[name] is SecretKind.CA:
            return make_authority(subject, now=now, algorithm=algorithm)
        return make_key_pair(algorithm)

    made = await asyncio.gather(*(asyncio.to_thread(make, row.kind) for row in current))
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
    """Accept the successors in addition to the signing ones. The caller holds the cluster's lock."""
    rows = await _rows(session, cluster_id)
    for current, successor in _pairs(rows, rows):
        if len(_accepted(current)) == 1:
            assert successor.certificate is not None
            current.certificate = "".join([*_accepted(current), successor.certificate])


async def let_successors_sign(session: AsyncSession, sealer: Sealer, cluster_id: str, names: Iterable[str]) -> bool:
    """Sign with the successors of these; the predecessors remain accepted. The caller holds the cluster's lock.

    Returns whether that is new.
    """
    pairs = _pairs(await _rows(session, cluster_id), names)
    for current, successor in pairs:
        assert successor.certificate is not None
        before = [each for each in _accepted(current) if each != successor.certificate]
        current.certificate = "".join([successor.certificate, *before])
        key = open_secret(sealer, successor).secret
        current.secret = seal_secret(sealer, cluster_id, current.kind, key)
        await session.delete(successor)
    return bool(pairs)


async def forget_predecessors(session: AsyncSession, cluster_id: str, names: Iterable[str]) -> None:
    """Accept only the signing ones. The caller holds the cluster's lock."""
    rows = await _rows(session, cluster_id)
    for name in names:
        if name in rows and _next(name) not in rows:
            rows[name].certificate = _accepted(rows[name])[0]


async def delete_undeclared(session: AsyncSession, cluster_id: str, declared: Iterable[str]) -> None:
    """Delete secrets that only earlier versions used. The caller holds the cluster's lock.

    Args:
        declared: the names of the secrets that this version uses.
    """
    await session.execute(
        delete(ClusterSecret).where(ClusterSecret.cluster_id == cluster_id, ClusterSecret.kind.not_in(list(declared)))
    )


async def _rows(session: AsyncSession, cluster_id: str) -> dict[str, ClusterSecret]:
    found = await session.scalars(select(ClusterSecret).where(ClusterSecret.cluster_id == cluster_id))
    return {row.kind: row for row in found}


def _pairs(rows: Mapping[str, ClusterSecret], names: Iterable[str]) -> list[tuple[ClusterSecret, ClusterSecret]]:
    """Pairs of one of these rows and its pending successor."""
    return [(rows[name], rows[_next(name)]) for name in names if name in rows and _next(name) in rows]


def _accepted(row: ClusterSecret) -> list[str]:
    assert row.certificate is not None
    return blocks(row.certificate)


def _next(name: str) -> str:
    return f"{name}.next"
