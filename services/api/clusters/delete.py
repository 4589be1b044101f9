"""`DELETE /v1/clusters/{id}`: accepted in every state, and may be repeated."""

from __future__ import annotations

from services.api.clusters.deadlines import deadline
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import not_found
from shared.domain.states import OperationKind
from shared.operations.locks import lock_cluster
from shared.operations.requests import request_delete


async def delete_cluster(deps: Deps, context: RequestContext, found: Row) -> None:
    rule = "cluster:delete_all_projects" if context.all_projects else "cluster:delete"
    deps.policy.check(context, rule, project_id=found["project_id"], user_id=found["user_id"])
    async with deps.db.transaction() as session:
        cluster = await lock_cluster(session, found["uuid"])
        if cluster is None:
            raise not_found("Cluster", found["uuid"])
        await request_delete(
            session,
            cluster=cluster,
            user_id=context.user_id,
            request_id=context.request_id,
            timeout=deadline(deps.settings, cluster, OperationKind.DELETE),
        )
    deps.promises.forget_cluster(found["project_id"], found["uuid"])
