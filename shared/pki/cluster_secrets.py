"""The secrets of a cluster: generates, encrypts and decrypts them.

Rule: `ensure_cluster_secrets` can run repeatedly and in several processes: the first stored secret of a name is used
and others are discarded, so only stored keys sign. Keys are generated in threads and outside transactions.
"""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Engine, KeyAlgorithm, Secret, SecretKind
from shared.db.engine import Database
from shared.db.models import ClusterSecret
from shared.domain.clock import utc_now
from shared.pki.authority import KeyMaterial, make_authority, make_key_pair
from shared.pki.sealing import Sealer

# The application credential of the add-ons: JSON with `secret`, and `id` and `name` once it exists in Keystone.
CLOUD_CREDENTIAL = "cloud_credential"

_TOKEN_ALPHABET = string.ascii_lowercase + string.digits


async def ensure_cluster_secrets(
    db: Database,
    sealer: Sealer,
    *,
    cluster_id: str,
    cluster_name: str,
    kinds: Mapping[str, SecretKind],
    algorithm: KeyAlgorithm = KeyAlgorithm.ECDSA_P256,
) -> None:
    """Generate the secrets declared by a driver that a cluster does not have yet.

    Args:
        db: used for two short transactions; none is open while keys are generated.
        cluster_name: the common name of its authorities.
        kinds: the declaration of the driver: secret name -> kind.
        algorithm: of the keys of authorities and key pairs.
    """
    async with db.transaction() as session:
        rows = await session.scalars(select(ClusterSecret.kind).where(ClusterSecret.cluster_id == cluster_id))
        present = set(rows)
    missing = {name: kind for name, kind in kinds.items() if name not in present}
    if not missing:
        return
    made = await asyncio.gather(*(asyncio.to_thread(_make, kind, cluster_name, algorithm) for kind in missing.values()))
    values = [
        {
            "cluster_id": cluster_id,
            "kind": name,
            "certificate": secret.certificate,
            "secret": seal_secret(sealer, cluster_id, name, secret.secret),
        }
        for name, secret in zip(missing, made, strict=True)
    ]
    async with db.transaction() as session:
        await session.execute(insert(ClusterSecret).values(values).on_conflict_do_nothing())


async def load_cluster_secrets(session: AsyncSession, sealer: Sealer, cluster_id: str) -> dict[str, Secret]:
    """All secrets of a cluster, decrypted, by name; empty before they are generated.

    Raises:
        SealingError: it was encrypted with a key that is no longer in the settings.
    """
    rows = await session.scalars(select(ClusterSecret).where(ClusterSecret.cluster_id == cluster_id))
    return {row.kind: open_secret(sealer, row) for row in rows}


def secrets_of_engine(engine: Engine, opened: Mapping[str, Secret]) -> dict[str, Secret]:
    """Those of a cluster's secrets that its engine declares; those that are not generated yet are missing."""
    found = {name: opened.get(name) or opened.get(engine.former_secrets.get(name, "")) for name in engine.secrets}
    return {name: secret for name, secret in found.items() if secret is not None}


async def keep_former_values(session: AsyncSession, sealer: Sealer, cluster_id: str, engine: Engine) -> None:
    """Store secrets that the cluster does not have, with the values it uses for them, before those are replaced."""
    opened = await load_cluster_secrets(session, sealer, cluster_id)
    values = [
        {
            "cluster_id": cluster_id,
            "kind": name,
            "certificate": None,
            "secret": seal_secret(sealer, cluster_id, name, opened[former].secret),
        }
        for name, former in engine.former_secrets.items()
        if name not in opened and former in opened
    ]
    if values:
        await session.execute(insert(ClusterSecret).values(values).on_conflict_do_nothing())


async def load_cluster_secret(session: AsyncSession, sealer: Sealer, cluster_id: str, name: str) -> Secret | None:
    """One secret of a cluster, decrypted; None before it is generated."""
    row = await session.get(ClusterSecret, (cluster_id, name))
    return None if row is None else open_secret(sealer, row)


def open_secret(sealer: Sealer, row: ClusterSecret) -> Secret:
    """Decrypt the secret of a row."""
    plain = sealer.open(bytes(row.secret), secret_place(row.cluster_id, row.kind))
    return Secret(certificate=row.certificate, secret=plain.decode())


def seal_secret(sealer: Sealer, cluster_id: str, name: str, plain: str) -> bytes:
    """Encrypt a value for `cluster_secrets.secret` of `name`."""
    return sealer.seal(plain.encode(), secret_place(cluster_id, name))


def as_key_material(secret: Secret) -> KeyMaterial:
    """A CA or key pair in the form for the signing functions."""
    assert secret.certificate is not None
    return KeyMaterial(secret.certificate, secret.secret)


def random_text() -> str:
    """A value of kind BOOTSTRAP_TOKEN, with 113 random bits."""
    return f"{_random(6)}.{_random(16)}"


def _make(kind: SecretKind, cluster_name: str, algorithm: KeyAlgorithm) -> Secret:
    if kind is SecretKind.BOOTSTRAP_TOKEN:
        return Secret(certificate=None, secret=random_text())
    if kind is SecretKind.CA:
        material = make_authority(cluster_name, now=utc_now(), algorithm=algorithm)
    else:
        material = make_key_pair(algorithm)
    return Secret(certificate=material.public, secret=material.private)


def _random(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))


def secret_place(cluster_id: str, name: str) -> str:
    """What a secret is bound to when it is encrypted."""
    return f"cluster {cluster_id} {name}"
