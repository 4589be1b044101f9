"""Creates, changes and deletes nodegroups.

Rule: a request writes the nodegroup's row and the operation; the scaler decides which nodes are added and removed. The
status of the cluster and the nodegroup changes in the transaction that accepts the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select

from jeroboam.driver import NodegroupSpec
from services.api.clusters.growth import check_growth
from services.api.clusters.operable import require_operation
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.nodegroups.fields import check_nodegroup, refuse_masters
from services.api.nodegroups.patch import changed_nodegroup
from services.api.nodegroups.queries import one_nodegroup
from services.api.nodegroups.start import locked_cluster, present_nodegroup, start_on_nodegroup
from services.api.quotas.room import Room, check_room
from services.api.reader import Row
from services.api.templates.queries import one_template
from services.api.wire.errors import ApiError, bad_request, conflict
from services.api.wire.fields import check_labels_fit
from services.api.wire.patch import Change
from shared.db.models import Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.drivers.registry import get_engine
from shared.operations.cluster_state import load_cluster
from shared.operations.params import (
    NodegroupCreateParams,
    NodegroupDeleteParams,
    NodegroupLabels,
    NodegroupUpdateParams,
)

_BEING_DELETED = "DELETE_IN_PROGRESS"
_DEFAULTS: dict[str, Any] = {
    "node_count": 1,
    "min_node_count": 0,
    "max_node_count": None,
    "role": "worker",
    "docker_volume_size": None,
    "node_labels": {},
    "node_taints": [],
}


async def create_nodegroup(deps: Deps, context: RequestContext, found: Row, given: Mapping[str, Any]) -> Row:
    """Store a nodegroup and queue its creation; `given` was parsed with `fields.FIELDS`. Returns the new row.

    Raises:
        ApiError: 409 if the cluster has no address yet, for a name in use and for inconsistent values; 400 for masters,
            and for the problems found by `check_growth`.
    """
    if not found["api_address"]:
        raise conflict("Cluster API address is not available yet")
    values = {name: given.get(name, default) for name, default in _DEFAULTS.items()} | {"name": given["name"]}
    if await _is_taken(deps, found, values["name"]):
        raise _exists(values["name"], found)
    check_nodegroup(values, get_engine(found["engine"]))
    refuse_masters(values["role"])
    require_operation(found, OperationKind.NODEGROUP_CREATE)
    values |= await _inherited(deps, found, given)
    for name in ("labels", "node_labels"):
        check_labels_fit(deps.settings.limits, values[name], name)
    state = await load_cluster(deps.db, found["uuid"])
    wanted = NodegroupSpec(uuid="", **{name: values[name] for name in _OF_SPEC})
    growth = await check_growth(deps, context, state, wanted)
    values |= {name: getattr(growth.nodegroup, name) for name in ("image_id", "operating_system", "hardware")}
    with growth.promise:
        return await _store(deps, context, found, values)


async def _store(deps: Deps, context: RequestContext, found: Row, values: Mapping[str, Any]) -> Row:
    async with deps.db.transaction() as session:
        cluster = await locked_cluster(session, found)
        taken = select(Nodegroup.uuid).where(Nodegroup.cluster_id == cluster.uuid, Nodegroup.name == values["name"])
        if await session.scalar(taken):
            raise _exists(values["name"], found)
        limits = deps.settings.limits
        await check_room(
            session,
            select(func.count()).where(Nodegroup.cluster_id == cluster.uuid),
            Room("nodegroups", "cluster", cluster.uuid, limits.nodegroups_per_cluster, "nodegroups_per_cluster"),
        )
        row = Nodegroup(
            uuid=new_id(),
            cluster_id=cluster.uuid,
            project_id=cluster.project_id,
            is_default=False,
            status="CREATE_IN_PROGRESS",
            **values,
        )
        session.add(row)
        await session.flush()
        params = NodegroupCreateParams(nodegroup=row.name, node_count=row.node_count)
        await start_on_nodegroup(session, deps, context, cluster, OperationKind.NODEGROUP_CREATE, row, params)
    return await one_nodegroup(deps.reader, found["uuid"], row.uuid)


async def update_nodegroup(deps: Deps, context: RequestContext, found: Row, group: Row, changes: list[Change]) -> Row:
    """Apply a patch and queue the operation that applies it to the nodes. Returns the new row.

    An operation starts even if nothing differs, because clients wait for the status to change; an empty patch starts
    none.
    """
    new = changed_nodegroup(group, changes, get_engine(found["engine"]))
    check_labels_fit(deps.settings.limits, new.get("node_labels") or {}, "node_labels")
    if not changes:
        return group
    require_operation(found, OperationKind.NODEGROUP_UPDATE)
    async with deps.db.transaction() as session:
        cluster = await locked_cluster(session, found)
        row = await present_nodegroup(session, group)
        if row.status == _BEING_DELETED:
            raise conflict(f"Nodegroup {row.name} is being deleted.")
        before = NodegroupLabels(node_labels=row.node_labels, node_taints=tuple(row.node_taints))
        for name, value in new.items():
            setattr(row, name, value)
        await session.flush()
        params = NodegroupUpdateParams(nodegroup=row.name, before=before)
        await start_on_nodegroup(session, deps, context, cluster, OperationKind.NODEGROUP_UPDATE, row, params)
    return await one_nodegroup(deps.reader, found["uuid"], group["uuid"])


async def delete_nodegroup(deps: Deps, context: RequestContext, found: Row, group: Row) -> None:
    """Queue the deletion of a nodegroup and its nodes.

    Raises:
        ApiError: 400 for a default nodegroup; 409 while an operation is live for which it cannot wait.
    """
    if group["is_default"]:
        raise bad_request("Deleting a default nodegroup is not supported.")
    require_operation(found, OperationKind.NODEGROUP_DELETE)
    async with deps.db.transaction() as session:
        cluster = await locked_cluster(session, found)
        row = await present_nodegroup(session, group)
        if row.status != _BEING_DELETED:
            params = NodegroupDeleteParams(nodegroup=row.name)
            await start_on_nodegroup(session, deps, context, cluster, OperationKind.NODEGROUP_DELETE, row, params)


_OF_SPEC = (
    *("name", "role", "flavor_id", "image_id", "node_count", "labels"),
    *("docker_volume_size", "node_labels", "node_taints"),
)


async def _inherited(deps: Deps, found: Row, given: Mapping[str, Any]) -> dict[str, Any]:
    """Flavor, image and labels: from the request, otherwise from the cluster and its template."""
    template = await one_template(deps.reader, None, found["cluster_template_id"])
    labels = given.get("labels")
    if labels is None:
        labels = dict(found["labels"])
    elif given.get("merge_labels"):
        labels = {**found["labels"], **labels}
    return {
        "flavor_id": given.get("flavor_id") or found["flavor_id"],
        "image_id": given.get("image_id") or template["image_id"],
        "own_image": bool(given.get("image_id")),
        "labels": labels,
    }


async def _is_taken(deps: Deps, found: Row, name: str) -> bool:
    with suppress(ApiError):
        await one_nodegroup(deps.reader, found["uuid"], name)
        return True
    return False


def _exists(name: str, found: Row) -> ApiError:
    return conflict(f"A node group with name {name} already exists in the cluster {found['name']}.")
