"""`GET /v1/clusters/{id}/config`: a ready file for the user's own tools.

Rule: short-lived, and no stronger than the caller's role: who may change the cluster gets its administrators' group,
who may only look gets its viewers'.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import conflict
from shared.db.models import Cluster
from shared.drivers.base import ClientConfig
from shared.drivers.registry import get_driver
from shared.operations.specs import cluster_spec
from shared.pki.cluster_secrets import load_cluster_secrets

ADMIN_GROUP = "system:masters"
VIEW_GROUP = "jeroboam:viewers"
DEFAULT_HOURS = 12
MAX_HOURS = 168


async def client_config(deps: Deps, context: RequestContext, found: Row, hours: int) -> dict[str, Any]:
    """The configuration's name, content and end.

    Raises:
        ApiError: 409 before the cluster has an address and keys.
    """
    owner = {"project_id": found["project_id"], "user_id": found["user_id"]}
    deps.policy.check(context, "cluster:config", **owner)
    group = ADMIN_GROUP if deps.policy.allows(context, "cluster:config_admin", **owner) else VIEW_GROUP
    if not found["api_address"]:
        raise conflict("Cluster API address is not available yet")
    driver = get_driver(found["driver"])
    async with deps.db.transaction() as session:
        cluster = await session.scalar(select(Cluster).where(Cluster.uuid == found["uuid"]))
        secrets = await load_cluster_secrets(session, deps.sealer, found["uuid"])
    if cluster is None or driver.secrets.keys() - secrets.keys():
        raise conflict(f"The certificates of cluster {found['name']} are not available yet.")

    def render() -> ClientConfig:
        return driver.client_config(
            cluster_spec(cluster),
            api_address=found["api_address"],
            secrets=secrets,
            # Names are unique in a domain only, and could be one that the engine itself trusts; ids are neither.
            user=context.user_id,
            groups=[group],
            lifetime=timedelta(hours=hours),
        )

    # Making the user's key takes tens of milliseconds of a core.
    config = await asyncio.to_thread(render)
    return {
        "filename": config.filename,
        "content": config.content,
        "expires_at": (deps.clock() + config.expires_in).isoformat(),
        "group": group,
    }
