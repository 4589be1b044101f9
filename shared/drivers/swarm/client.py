"""The configuration of Docker's client.

Rule: Docker's API has no roles. A client certificate of the cluster's authority gives root's rights on the
managers, so only users who may change the cluster get one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jeroboam.driver import Access, ClientConfig, Secret, make_client_certificate

ENVIRONMENT = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "{directory}"}


def render(
    *, api_address: str, authority: Secret, user: str, access: Access, now: datetime, lifetime: timedelta
) -> ClientConfig:
    """Certificates and variables for `docker`.

    Raises:
        ValueError: the user may only read.
    """
    if access is not Access.ADMIN:
        raise ValueError("Docker's API has no read-only access: only users who may change the cluster can use it")
    client = make_client_certificate(authority, user=user, groups=["admin"], now=now, lifetime=lifetime)
    files = {"ca.pem": authority.certificate or "", "cert.pem": client.certificate or "", "key.pem": client.secret}
    return ClientConfig(files, {"DOCKER_HOST": api_address, **ENVIRONMENT}, ["admin"], lifetime)
