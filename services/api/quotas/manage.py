"""Sets how many clusters a project can have; `clusters.quota` enforces it.

Rule: the project must exist in Keystone, so that a mistyped ID is detected. Only administrators write quotas, so
queries are not limited to a project.
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
    """Store a quota. Returns the stored row.

    Raises:
        ApiError: 400 without a project, 404 if it does not exist in Keystone, 409 if it already has a quota.
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
    """Change a quota. Returns the stored row. Attributes that are not in the body are unchanged.

    Raises:
        ApiError: 404 if the project has no quota.
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
    """Delete a quota, so that the default applies again.

    Raises:
        ApiError: 404 if the project has no quota.
    """
    deps.policy.check(context, "quota:delete")
    statement = delete(Quota).where(Quota.project_id == project, Quota.resource == resource).returning(Quota.id)
    async with deps.db.transaction() as session:
        found = (await session.execute(statement)).scalar_one_or_none()
    if found is None:
        raise quota_not_found(f"project_id {project} resource {resource}")
