"""A cluster's secrets in each phase in which one authority follows another (`shared/pki/rotation.py`)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jeroboam.driver import Secret
from jeroboam.testing.cases import Case
from shared.pki.authority import KeyMaterial, make_authority

FILES = {"kubernetes": "ca", "etcd": "etcd/ca", "front_proxy": "front-proxy-ca"}
PHASES = ("before", "trust", "sign", "forget")


@cache
def successor(name: str) -> KeyMaterial:
    return make_authority(f"new {name}", now=datetime.now(UTC))


def secrets_in(case: Case, phase: str) -> dict[str, Secret]:
    """All of the case's secrets, the authorities as their rows have them in that phase."""
    secrets = dict(case.secrets)
    for name in FILES:
        old, new = case.secrets[name], successor(name)
        bundles = {
            "before": (f"{old.certificate}", old.secret),
            "trust": (f"{old.certificate}{new.public}", old.secret),
            "sign": (f"{new.public}{old.certificate}", new.private),
            "forget": (new.public, new.private),
        }
        secrets[name] = Secret(*bundles[phase])
    return secrets
