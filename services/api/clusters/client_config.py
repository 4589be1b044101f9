"""`GET /v1/clusters/{id}/config`: a client configuration such as a kubeconfig.

Rule: the certificate is short-lived and grants no more than the caller's role: the administrators' group for callers
who can change the cluster, the viewers' group for callers who can only read it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from jeroboam.driver import Access, ClientConfig
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import bad_request, conflict
from shared.db.models import Cluster
from shared.drivers.registry import get_engine
from shared.operations.specs import cluster_spec
from shared.pki.cluster_secrets import load_cluster_secrets, secrets_of_engine

DEFAULT_HOURS = 12
MAX_HOURS = 168


async def client_config(deps: Deps, context: RequestContext, found: Row, hours: int) -> dict[str, Any]:
    """Return the files, environment variables and expiry of a configuration; `filename` and `content`: the main file.

    Raises:
        ApiError: 409 if the cluster does not have an address and keys yet.
    """
    owner = {"project_id": found["project_id"], "user_id": found["user_id"]}
    deps.policy.check(context, "cluster:config", **owner)
    access = Access.ADMIN if deps.policy.allows(context, "cluster:config_admin", **owner) else Access.VIEWER
    if not found["api_address"]:
        raise conflict("Cluster API address is not available yet")
    engine = get_engine(found["engine"])
    async with deps.db.transaction() as session:
        cluster = await session.scalar(select(Cluster).where(Cluster.uuid == found["uuid"]))
        secrets = secrets_of_engine(engine, await load_cluster_secrets(session, deps.sealer, found["uuid"]))
    if cluster is None or engine.secrets.keys() - secrets.keys():
        raise conflict(f"The certificates of cluster {found['name']} are not available yet.")

    def render() -> ClientConfig:
        return engine.client_config(
            cluster_spec(cluster),
            api_address=found["api_address"],
            secrets=secrets,
            # User names are unique only within a domain and could match one that the engine trusts; IDs are safe.
            user=context.user_id,
            access=access,
            now=deps.clock(),
            lifetime=timedelta(hours=hours),
        )

    # Generating the user's key takes tens of milliseconds of CPU time.
    try:
        config = await asyncio.to_thread(render)
    except ValueError as error:
        raise bad_request(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    filename, content = next(iter(config.files.items()))
    return {
        "filename": filename,
        "content": content,
        "files": dict(config.files),
        "environment": dict(config.environment),
        "expires_at": (deps.clock() + config.expires_in).isoformat(),
        "group": next(iter(config.groups), None),
    }
