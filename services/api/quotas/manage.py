"""Setting how many clusters a project may have; `cluster_quota` is where the limit is kept.

Rule: a limit is only given to a project Keystone knows, so that a mistyped id is not a limit nobody ever meets.
Administrators alone write here, hence no project scope.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert

from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import ApiError, bad_request, conflict, quota_not_found
from services.api.wire.fields import Field, anything, integer, one_of, parse_body, string
from shared.db.models import Quota

CLUSTER = "Cluster"
_WHOLE = {"type": ["integer", "null"], "minimum": 0}

FIELDS = [
    Field("project_id", string(), {"type": "string", "minLength": 1}),
    Field("resource", one_of(CLUSTER), {"enum": [CLUSTER, None]}),
    Field("hard_limit", integer(), _WHOLE),
    Field("id", integer(lowest=-(2**31)), ignored=True),
    Field("created_at", anything, read_only=True),
    Field("updated_at", anything, read_only=True),
]


async def create_quota(deps: Deps, context: RequestContext, body: dict[str, Any]) -> Row:
    """Store a limit; the stored row.

    Raises:
        ApiError: 400 without a project, 404 when Keystone does not know it, 409 when it has a limit already.
    """
    given = parse_body(body, FIELDS, "quota")
    deps.policy.check(context, "quota:create")
    project = given.get("project_id")
    if not project:
        raise bad_request("Must provide a valid project ID.")
    if not await deps.clouds.project_exists(project):
        raise ApiError(404, f"The project_id {project} could not be found.")
    values = {
        "project_id": project,
        "resource": given.get("resource", CLUSTER),
        "hard_limit": given.get("hard_limit", 1),
    }
    async with deps.db.transaction() as session:
        statement = insert(Quota).values(values).on_conflict_do_nothing().returning(*Quota.__table__.columns)
        row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise conflict(f"Quota for project {project} already exists for resource {values['resource']}.")
    return dict(row)


async def update_quota(deps: Deps, context: RequestContext, project: str, resource: str, body: dict[str, Any]) -> Row:
    """Change a limit; the stored row. What the body does not mention stays as it is.

    Raises:
        ApiError: 404 when the project has no limit of its own.
    """
    given = parse_body(body, FIELDS, "quotapatch")
    deps.policy.check(context, "quota:update")
    changes = {name: given[name] for name in ("hard_limit",) if name in given}
    statement = (
        update(Quota)
        .where(Quota.project_id == project, Quota.resource == resource)
        .values(updated_at=func.now(), **changes)
        .returning(*Quota.__table__.columns)
    )
    async with deps.db.transaction() as session:
        row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise quota_not_found(f"project_id {project} resource {resource}")
    return dict(row)


async def delete_quota(deps: Deps, context: RequestContext, project: str, resource: str) -> None:
    """Back to the service's default.

    Raises:
        ApiError: 404 when the project has no limit of its own.
    """
    deps.policy.check(context, "quota:delete")
    statement = delete(Quota).where(Quota.project_id == project, Quota.resource == resource).returning(Quota.id)
    async with deps.db.transaction() as session:
        found = (await session.execute(statement)).scalar_one_or_none()
    if found is None:
        raise quota_not_found(f"project_id {project} resource {resource}")
