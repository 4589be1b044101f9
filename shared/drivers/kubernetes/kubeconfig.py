"""Renders a kubeconfig for one user. The certificate contains the groups; RBAC in the cluster defines their rights."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta

import yaml

from jeroboam.driver import Access, ClientConfig, Secret, make_client_certificate
from shared.drivers.kubernetes.addons.access import VIEWERS
from shared.drivers.monitoring.settings import PASSWORD_FILE

ADMINISTRATORS = "system:masters"
FILE = "config"


def render(
    name: str,
    *,
    api_address: str,
    authority: Secret,
    user: str,
    access: Access,
    now: datetime,
    lifetime: timedelta,
    grafana_password: str | None = None,
) -> ClientConfig:
    """Args:
    name: name of the cluster, for the context.
    authority: the Kubernetes CA.
    lifetime: lifetime of the contained certificate.
    grafana_password: of Grafana's administrator; only administrators get it.
    """
    assert authority.certificate is not None
    groups = [ADMINISTRATORS if access is Access.ADMIN else VIEWERS]
    client = make_client_certificate(authority, user=user, groups=groups, now=now, lifetime=lifetime)
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
                "user": {
                    "client-certificate-data": _b64(client.certificate or ""),
                    "client-key-data": _b64(client.secret),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "preferences": {},
    }
    files = {FILE: yaml.safe_dump(config, sort_keys=False)}
    if grafana_password is not None and access is Access.ADMIN:
        files[PASSWORD_FILE] = f"{grafana_password}\n"
    return ClientConfig(files, {"KUBECONFIG": f"{{directory}}/{FILE}"}, groups, lifetime)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
