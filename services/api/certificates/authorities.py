"""Reads a cluster's CA certificates and signs certificate requests with them.

Rule: responses contain the certificate of an authority, never its key. `ca_cert_type` selects the authority; the
default is the one that signs the certificate of the cluster's API.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jeroboam.driver import Engine, Secret
from services.api.clusters.queries import one_cluster
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import ApiError, bad_request, conflict
from services.api.wire.fields import one_of
from shared.drivers.registry import engines, get_engine
from shared.pki.cluster_secrets import as_key_material, load_cluster_secret
from shared.pki.signing import ForbiddenExtension, InvalidRequest, sign_request


def ca_type(name: str, value: Any) -> str:
    """Parse a `ca_cert_type`: one that some installed engine has."""
    found: str = one_of(*ca_types())(name, value)
    return found


def ca_types() -> list[str]:
    """Every value of `ca_cert_type` that some installed engine has."""
    return list(dict.fromkeys(each for engine in engines().values() for each in engine.authorities))


async def ca_certificate(deps: Deps, context: RequestContext, ident: str, ca_type: str | None) -> tuple[Row, str]:
    """Return the cluster and the PEM of one of its CA certificates."""
    cluster = await one_cluster(deps.reader, context.scope_project, ident)
    deps.policy.check(context, "certificate:get", project_id=cluster["project_id"], user_id=cluster["user_id"])
    secret = await _authority(deps, cluster, ca_type)
    assert secret.certificate is not None
    return cluster, secret.certificate


async def sign(deps: Deps, context: RequestContext, ident: str, csr: str, ca_type: str | None) -> tuple[Row, str]:
    """Sign a certificate request. Returns the cluster and the certificate.

    Raises:
        ApiError: 400 for an unknown cluster (which is named in the body here) or an invalid request.
    """
    try:
        cluster = await one_cluster(deps.reader, context.scope_project, ident)
    except ApiError as error:
        raise bad_request(error.detail) if error.status == 404 else error from None
    deps.policy.check(context, "certificate:create", project_id=cluster["project_id"], user_id=cluster["user_id"])
    secret = await _authority(deps, cluster, ca_type)
    try:
        pem = await asyncio.to_thread(sign_request, csr, as_key_material(secret), now=deps.clock())
    except InvalidRequest:
        raise bad_request(f"Received invalid csr {csr[:200]}.") from None
    except ForbiddenExtension as error:
        raise bad_request(str(error)) from None
    return cluster, pem


async def _authority(deps: Deps, cluster: Row, ca_type: str | None) -> Secret:
    name = authority_name(get_engine(cluster["engine"]), ca_type, cluster["driver"])
    async with deps.db.transaction() as session:
        secret = await load_cluster_secret(session, deps.sealer, cluster["uuid"], name)
    if secret is None:
        raise conflict(f"The certificates of cluster {cluster['name']} are not available yet.")
    return secret


def authority_name(engine: Engine, ca_type: str | None, driver: str) -> str:
    """Return the name of the secret that contains the authority.

    Args:
        driver: name of the driver, for the error message.

    Raises:
        ApiError: 400 if the engine has no such authority.
    """
    found = next(iter(engine.authorities.values()), None) if ca_type is None else engine.authorities.get(ca_type)
    if found is None:
        raise bad_request(f"The driver {driver} has no CA of type {(ca_type or 'default')[:100]}.")
    return found
