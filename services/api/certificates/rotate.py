"""Accepts rotations of a cluster's certificate authorities and credentials.

Rule: this only accepts the request; the operation generates the keys and distributes them to the nodes.
"""

from __future__ import annotations

from services.api.clusters.operable import require_operation, start
from services.api.clusters.queries import one_cluster
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.templates.queries import one_template
from services.api.wire.errors import bad_request, not_found, wrong_status
from shared.domain.states import OperationKind
from shared.operations.locks import lock_cluster

# Magnum's statuses, and UPDATE_FAILED: a failed update must not block the next one.
_ACCEPTED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED"})


async def rotate_ca(deps: Deps, context: RequestContext, ident: str) -> str:
    """Accept a rotation of the cluster's certificate authorities. Returns the cluster's UUID.

    Raises:
        ApiError: 400 without TLS, while another operation is live, or if the driver does not support it.
    """
    found = await one_cluster(deps.reader, context.scope_project, ident)
    owner = {"project_id": found["project_id"], "user_id": found["user_id"]}
    deps.policy.check(context, "certificate:rotate_ca", **owner)
    template = await one_template(deps.reader, None, found["cluster_template_id"])
    if template["tls_disabled"]:
        raise bad_request("Rotating the CA certificate on a non-TLS cluster is not supported")
    if found["status"] not in _ACCEPTED:
        raise wrong_status(found["status"])
    return await _start(deps, context, found, OperationKind.ROTATE_CA)


async def rotate_credentials(deps: Deps, context: RequestContext, ident: str) -> str:
    """Accept a rotation of the credential with which the cluster's add-ons use OpenStack. Returns the cluster's UUID.

    As in Magnum, only members of the cluster's project are allowed to do this, not administrators of other projects.
    """
    deps.policy.check(context, "credential:rotate")
    found = await one_cluster(deps.reader, context.project_id, ident)
    return await _start(deps, context, found, OperationKind.ROTATE_CREDENTIALS)


async def _start(deps: Deps, context: RequestContext, found: Row, kind: OperationKind) -> str:
    uuid: str = found["uuid"]
    require_operation(found, kind)
    async with deps.db.transaction() as session:
        cluster = await lock_cluster(session, uuid)
        if cluster is None:
            raise not_found("Cluster", uuid)
        await start(session, deps, context, cluster, kind)
    return uuid
