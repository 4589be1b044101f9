"""Creates, changes and deletes federations, which are only records.

Rule: Magnum defines this interface but does not implement it. A record is kept consistent (its clusters exist, its
status is that of the record), and `status_reason` states that the clusters are not connected.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.clusters.queries import one_cluster
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.federations.patch import Membership, membership, patched_properties
from services.api.quotas.room import Room, check_room
from services.api.reader import Row
from services.api.wire.errors import ApiError, bad_request, conflict, invalid_field, not_found
from services.api.wire.fields import Field, anything, check_labels_fit, one_of, parse_body, storable, string, strings
from services.api.wire.identifiers import as_uuid, uuid_text
from services.api.wire.names import random_name
from services.api.wire.patch import Change
from shared.db.models import Cluster, Federation, FederationMember
from shared.domain.ids import new_id
from shared.domain.states import CLUSTER_STATUSES

RECORDED = "The federation is recorded. Its clusters are not connected to each other."
_NAME = r"^[a-zA-Z][a-zA-Z0-9_.-]*$"
_OPTIONAL_NAME = {"type": ["string", "null"], "minLength": 1, "maxLength": 242, "pattern": _NAME}


def properties(name: str, value: Any) -> dict[str, str]:
    """Parse a flat mapping of strings; nulls are omitted."""
    if not isinstance(value, dict):
        raise invalid_field(name, value, f"Value not a valid dict: {str(value)[:100]}")
    for key, item in value.items():
        if item is not None and not (isinstance(item, str) and storable(item) and storable(key)):
            raise invalid_field(name, value, f"Wrong type. Expected '<class 'str'>', got '{type(item)}'")
    return {key: item for key, item in value.items() if item is not None}


FIELDS = [
    Field("name", string(longest=242, pattern=_NAME), _OPTIONAL_NAME),
    Field("hostcluster_id", string(shortest=0), {"type": ["string", "null"]}),
    Field("member_ids", strings, {"type": ["array", "null"], "items": {"type": "string"}}),
    Field("properties", properties, {"type": ["object", "null"], "additionalProperties": {"type": "string"}}),
    Field("status", one_of(*CLUSTER_STATUSES), ignored=True),
    Field("uuid", uuid_text, ignored=True),
    Field("status_reason", anything, ignored=True),
    Field("links", anything, read_only=True),
    Field("created_at", anything, read_only=True),
    Field("updated_at", anything, read_only=True),
]


async def create_federation(deps: Deps, context: RequestContext, body: dict[str, Any]) -> str:
    """Store a federation of clusters that the caller can see. Returns its UUID."""
    given = parse_body(body, FIELDS, "federation")
    deps.policy.check(context, "federation:create")
    if not context.project_id:
        raise bad_request("A federation belongs to a project: use a token that is scoped to one.")
    if "hostcluster_id" not in given:
        raise bad_request("No hostcluster specified. Please specify a hostcluster_id.")
    host = await one_cluster(deps.reader, context.scope_project, given["hostcluster_id"])
    if "properties" not in given:
        raise bad_request("Please specify a `properties` dict for the federation.")
    _check_properties(given["properties"])
    limits = deps.settings.limits
    check_labels_fit(limits, given["properties"], "properties")
    row = Federation(
        uuid=new_id(),
        name=given.get("name") or random_name("federation"),
        project_id=context.project_id,
        hostcluster_id=host["uuid"],
        status="CREATE_COMPLETE",
        status_reason=RECORDED,
        properties=given["properties"],
    )
    members: list[str] = given.get("member_ids", [])
    async with deps.db.transaction() as session:
        await check_room(
            session,
            select(func.count()).where(Federation.project_id == context.project_id),
            Room(
                "federations", "project", context.project_id, limits.federations_per_project, "federations_per_project"
            ),
        )
        for ident in sorted({host["uuid"], *members}):
            await _hold_cluster(session, context, ident)
        session.add(row)
        await session.flush()
        await _join(session, row.uuid, members)
    return row.uuid


async def update_federation(deps: Deps, context: RequestContext, found: Row, changes: list[Change]) -> None:
    """Add or remove member clusters, or change properties.

    Raises:
        ApiError: 404 for a cluster that does not exist or is not a member, 409 for one that is already a member.
    """
    deps.policy.check(context, "federation:update", project_id=found["project_id"])
    steps = membership(changes)
    async with deps.db.transaction() as session:
        # Lock clusters before their federation, as the deletion of a cluster does, to avoid deadlocks.
        for ident in sorted({ident for step in steps for ident in step.clusters}):
            await _hold_cluster(session, context, ident)
        row = await _locked(session, found["uuid"])
        changed = properties("properties", patched_properties(row.properties, changes))
        _check_properties(changed)
        check_labels_fit(deps.settings.limits, changed, "properties")
        for step in steps:
            await _change_membership(session, row, step)
        row.properties = changed
        row.status, row.status_reason = "UPDATE_COMPLETE", RECORDED
        row.updated_at = await session.scalar(select(func.now()))


async def delete_federation(deps: Deps, context: RequestContext, found: Row) -> None:
    deps.policy.check(context, "federation:delete", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        await session.delete(await _locked(session, found["uuid"]))


async def _change_membership(session: AsyncSession, row: Federation, step: Membership) -> None:
    mine = FederationMember.federation_id == row.uuid
    if step.op == "replace":
        await session.execute(delete(FederationMember).where(mine))
        await _join(session, row.uuid, step.clusters)
        return
    (cluster,) = step.clusters
    if step.op == "add":
        if not await _join(session, row.uuid, [cluster]):
            raise conflict(f"A cluster with UUID {cluster} is already a member of the federation {row.name}.")
        return
    leave = delete(FederationMember).where(mine, FederationMember.cluster_id == as_uuid(cluster))
    if not (await session.execute(leave.returning(FederationMember.cluster_id))).scalars().all():
        raise ApiError(404, f"Cluster {cluster} is not a member of the federation {row.name}.")


async def _join(session: AsyncSession, federation: str, clusters: list[str]) -> int:
    """Add locked clusters that are not members yet. Returns how many were added."""
    number = 0
    for cluster in clusters:
        values = {"federation_id": federation, "cluster_id": as_uuid(cluster)}
        statement = insert(FederationMember).values(values).on_conflict_do_nothing()
        added = await session.execute(statement.returning(FederationMember.cluster_id))
        number += len(added.scalars().all())
    return number


async def _hold_cluster(session: AsyncSession, context: RequestContext, ident: str) -> None:
    """Lock a cluster against deletion. Raises 404 unless `ident` is the UUID of a cluster that the caller can see."""
    query = select(Cluster.uuid).where(Cluster.uuid == as_uuid(ident))
    if context.scope_project is not None:
        query = query.where(Cluster.project_id == context.scope_project)
    if await session.scalar(query.with_for_update(read=True, key_share=True)) is None:
        raise not_found("Cluster", ident)


async def _locked(session: AsyncSession, uuid: str) -> Federation:
    row = await session.scalar(select(Federation).where(Federation.uuid == uuid).with_for_update())
    if row is None:
        raise not_found("Federation", uuid)
    return row


def _check_properties(given: dict[str, str]) -> None:
    if "dns-zone" not in given:
        raise bad_request("No DNS zone specified. Please specify a `dns-zone`.")
