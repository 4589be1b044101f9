"""A ready kubeconfig for one user: his groups in the certificate, his rights by RBAC in the cluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import yaml

from shared.drivers.base import ClientConfig, Secret
from shared.pki.authority import KeyMaterial
from shared.pki.client import make_client_certificate


def render(
    name: str,
    *,
    api_address: str,
    authority: Secret,
    user: str,
    groups: Sequence[str],
    now: datetime,
    lifetime: timedelta,
) -> ClientConfig:
    """Args:
    name: the cluster's, for the context.
    authority: the Kubernetes CA.
    lifetime: of the certificate inside.
    """
    assert authority.certificate is not None
    material = KeyMaterial(authority.certificate, authority.secret)
    client = make_client_certificate(material, user=user, groups=groups, now=now, lifetime=lifetime)
    config: Mapping[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": api_address, "certificate-authority-data": _b64(authority.certificate)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _b64(client.public), "client-key-data": _b64(client.private)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "preferences": {},
    }
    return ClientConfig("config", yaml.safe_dump(config, sort_keys=False), lifetime)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
