"""Creates, changes and deletes cluster templates.

Rule: checks have Magnum's order: the body, the driver for its image, policy, then the cloud. A template that clusters
refer to can only be renamed, tagged, published or unpublished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.clusters.create import require_driver
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.preflight.judge import Problem, ipv6_subnet, refusal
from services.api.preflight.lookups import RequestLookups
from services.api.quotas.room import Room, check_room
from services.api.reader import Row
from services.api.templates.fields import COLUMNS, DEFAULTS, FIELDS, check_values
from services.api.templates.label_checks import check_labels
from services.api.templates.patch import changed_template, may_change_referenced
from services.api.templates.views import full
from services.api.wire.errors import ApiError, bad_request, conflict, not_found
from services.api.wire.fields import check_labels_fit, parse_body
from services.api.wire.idempotency import Key, remember
from services.api.wire.names import random_name
from services.api.wire.patch import Change
from shared.cloud.contract import Lookups
from shared.cloud.types import Image, Subnet
from shared.db.models import Cluster, ClusterTemplate
from shared.domain.ids import new_id

_PUBLISH_DENIED = "Not authorized to set public or hidden flag for cluster template."


async def create_template(
    deps: Deps, context: RequestContext, body: dict[str, Any], key: Key | None, base: str
) -> tuple[dict[str, Any], str]:
    """Check and store a template.

    Returns:
        Its full view and its URL.
    """
    limits = deps.settings.limits
    values: dict[str, Any] = dict.fromkeys(COLUMNS) | DEFAULTS
    values |= parse_body(body, FIELDS, "cluster_template")
    check_values(values)
    check_labels_fit(limits, values["labels"])
    check_labels(values)
    lookups = RequestLookups(deps, context)
    values |= await lookups.judged(lambda: _fitting(lookups, values, values))
    deps.policy.check(context, "clustertemplate:create")
    if not context.project_id:
        raise bad_request("A cluster template belongs to a project: use a token that is scoped to one.")
    await lookups.judged(lambda: _check_resources(lookups, values))
    if (values["public"] or values["hidden"]) and not deps.policy.allows(context, "clustertemplate:publish"):
        raise ApiError(403, _PUBLISH_DENIED)
    values["uuid"] = (values["uuid"] or new_id()).lower()
    values["name"] = values["name"] or random_name("template")
    row = ClusterTemplate(**values, project_id=context.project_id, user_id=context.user_id, updated_at=None)
    url = f"{base}/v1/clustertemplates/{row.uuid}"
    async with deps.db.transaction() as session:
        await check_room(
            session,
            select(func.count()).where(ClusterTemplate.project_id == context.project_id),
            Room("templates", "project", context.project_id, limits.templates_per_project, "templates_per_project"),
        )
        if await session.scalar(select(ClusterTemplate.id).where(ClusterTemplate.uuid == row.uuid)):
            raise conflict(f"A ClusterTemplate with UUID {row.uuid} already exists.")
        session.add(row)
        await session.flush()
        await session.refresh(row)
        view = full(as_row(row), base)
        await remember(session, key, 201, view, {"Location": url})
    return view, url


async def update_template(
    deps: Deps, context: RequestContext, found: Row, changes: list[Change], base: str
) -> dict[str, Any]:
    """Apply a patch to a template that the caller can see. Returns its full view."""
    new = changed_template(dict(found), changes)
    check_values(new)
    if new["labels"] != found["labels"]:
        check_labels_fit(deps.settings.limits, new["labels"])
        check_labels(new)
    deps.policy.check(context, "clustertemplate:update", project_id=found["project_id"])
    if (new["public"], new["hidden"]) != (found["public"], found["hidden"]) and not deps.policy.allows(
        context, "clustertemplate:publish"
    ):
        raise ApiError(403, _PUBLISH_DENIED)
    changed = {name: new[name] for name in COLUMNS if new[name] != found[name]}
    if not may_change_referenced(changed):
        async with deps.db.transaction() as session:
            if await _is_referenced(session, found["uuid"]):
                raise _referenced(found["uuid"])
    lookups = RequestLookups(deps, context)
    changed |= await lookups.judged(lambda: _fitting(lookups, new, changed))
    await lookups.judged(lambda: _check_resources(lookups, {name: changed.get(name) for name in _RESOURCES}))
    async with deps.db.transaction() as session:
        row = await _locked(session, found["uuid"])
        if not may_change_referenced(changed) and await _is_referenced(session, row.uuid):
            raise _referenced(row.uuid)
        for name, value in changed.items():
            setattr(row, name, value)
        row.updated_at = await session.scalar(select(func.now()))
        await session.flush()
        return full(as_row(row), base)


async def delete_template(deps: Deps, context: RequestContext, found: Row) -> None:
    deps.policy.check(context, "clustertemplate:delete", project_id=found["project_id"])
    async with deps.db.transaction() as session:
        row = await _locked(session, found["uuid"])
        if await _is_referenced(session, row.uuid):
            raise _referenced(row.uuid)
        await session.delete(row)


async def _locked(session: AsyncSession, uuid: str) -> ClusterTemplate:
    query = select(ClusterTemplate).where(ClusterTemplate.uuid == uuid).with_for_update()
    row = await session.scalar(query)
    if row is None:
        raise not_found("ClusterTemplate", uuid)
    return row


async def _is_referenced(session: AsyncSession, uuid: str) -> bool:
    number = await session.scalar(select(func.count()).select_from(Cluster).where(Cluster.cluster_template_id == uuid))
    return bool(number)


def _referenced(uuid: str) -> ApiError:
    return bad_request(f"ClusterTemplate {uuid} is referenced by one or multiple clusters.")


async def _fitting(cloud: Lookups, new: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that follow from others: the distribution of a changed image, and the driver.

    Args:
        new: the template after the change.
        changed: its changed attributes; of a new template, all.
    """
    follow: dict[str, Any] = {}
    if "image_id" in changed:
        follow["cluster_distro"] = (await _image(cloud, new["image_id"])).os_distro
    if changed.keys() & {"image_id", "coe", "server_type", "cluster_distro", "driver"}:
        distro = follow.get("cluster_distro", new["cluster_distro"]) or ""
        follow["driver"] = require_driver(new["coe"], distro, new["server_type"]).name
        if changed.get("driver") not in (None, follow["driver"]):
            raise bad_request(f"Cluster driver ({changed['driver']}) not supported.")
    return follow


async def _image(cloud: Lookups, name: str) -> Image:
    image = await cloud.find_image(name)
    if image is None:
        raise bad_request(f"Image {name} could not be found.")
    if image.os_distro is None:
        raise bad_request(f"Image {name} doesn't contain os_distro field.")
    return image


_RESOURCES = ("flavor_id", "master_flavor_id", "external_network_id", "fixed_network", "fixed_subnet")


async def _check_resources(cloud: Lookups, values: dict[str, Any]) -> None:
    """Reject names that do not exist in the cloud; null values are not checked."""
    names = [values[name] for name in _RESOURCES]
    flavor, master_flavor, external, network, subnet = names
    answers = await asyncio.gather(
        cloud.find_flavor(flavor) if flavor else _nothing(),
        cloud.find_flavor(master_flavor) if master_flavor else _nothing(),
        cloud.find_network(external, external=True) if external else _nothing(),
        cloud.find_network(network) if network else _nothing(),
        cloud.find_subnet(subnet) if subnet else _nothing(),
    )
    kinds = ("flavor", "flavor", "external network", "fixed network", "fixed subnet")
    missing = [
        Problem(400, f"Unable to find {kind} {name}.")
        for kind, name, answer in zip(kinds, names, answers, strict=True)
        if name and answer is None
    ]
    if isinstance(answers[-1], Subnet) and not answers[-1].is_ipv4:
        missing.append(Problem(400, ipv6_subnet(subnet)))
    if missing:
        raise refusal(list(dict.fromkeys(missing)))


async def _nothing() -> None:
    return None


def as_row(row: ClusterTemplate) -> Row:
    """Convert an ORM row to the form that views expect."""
    return {column.name: getattr(row, column.name) for column in ClusterTemplate.__table__.columns}
