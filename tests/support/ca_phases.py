"""A cluster's secrets in each phase of a rotation (`shared/pki/rotation.py`)."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import serialization

from jeroboam.driver import KeyAlgorithm, Secret
from jeroboam.testing.cases import Case
from shared.pki.authority import KeyMaterial, make_authority, make_key_pair

FILES = {"kubernetes": "ca", "etcd": "etcd/ca", "front_proxy": "front-proxy-ca"}
PHASES = ("before", "trust", "keys", "sign", "forget")


@cache
def successor(name: str) -> KeyMaterial:
    return make_authority(f"new {name}", now=datetime.now(UTC))


def successor_key(algorithm: KeyAlgorithm = KeyAlgorithm.ECDSA_P256) -> KeyMaterial:
    return _made(algorithm)


@cache
def _made(algorithm: KeyAlgorithm) -> KeyMaterial:
    return make_key_pair(algorithm)


def key_id(public: str) -> str:
    """How Kubernetes names a key of service accounts in the header of a token."""
    der = serialization.load_pem_public_key(public.encode()).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def secrets_in(case: Case, phase: str) -> dict[str, Secret]:
    """All of the case's secrets, the authorities as their rows have them in that phase."""
    secrets = dict(case.secrets)
    for name in FILES:
        old, new = case.secrets[name], successor(name)
        bundles = {
            "before": (f"{old.certificate}", old.secret),
            "trust": (f"{old.certificate}{new.public}", old.secret),
            "keys": (f"{old.certificate}{new.public}", old.secret),
            "sign": (f"{new.public}{old.certificate}", new.private),
            "forget": (new.public, new.private),
        }
        secrets[name] = Secret(*bundles[phase])
    old, new = case.secrets["service_account"], successor_key(case.engine.key_algorithm(case.cluster))
    pairs = {
        "before": (f"{old.certificate}", old.secret),
        "trust": (f"{old.certificate}{new.public}", old.secret),
        "forget": (new.public, new.private),
    }
    secrets["service_account"] = Secret(*pairs.get(phase, (f"{new.public}{old.certificate}", new.private)))
    return secrets
