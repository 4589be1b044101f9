"""The configuration of Docker's client.

Rule: Docker's API has no roles. A client certificate of the cluster's authority gives root's rights on the
managers, so only users who may change the cluster get one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jeroboam.driver import Access, ClientConfig, Secret, make_client_certificate
from shared.drivers.monitoring.settings import PASSWORD_FILE

ENVIRONMENT = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "{directory}"}


def render(
    *,
    api_address: str,
    authority: Secret,
    user: str,
    access: Access,
    now: datetime,
    lifetime: timedelta,
    grafana_password: str | None = None,
) -> ClientConfig:
    """Certificates and variables for `docker`, and the password of Grafana's administrator if there is one.

    Raises:
        ValueError: the user may only read.
    """
    if access is not Access.ADMIN:
        raise ValueError("Docker's API has no read-only access: only users who may change the cluster can use it")
    client = make_client_certificate(authority, user=user, groups=["admin"], now=now, lifetime=lifetime)
    files = {"ca.pem": authority.certificate or "", "cert.pem": client.certificate or "", "key.pem": client.secret}
    if grafana_password is not None:
        files[PASSWORD_FILE] = f"{grafana_password}\n"
    return ClientConfig(files, {"DOCKER_HOST": api_address, **ENVIRONMENT}, ["admin"], lifetime)
