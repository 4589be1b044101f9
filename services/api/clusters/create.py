"""`POST /v1/clusters`: turns a request body into rows, an operation and an event.

Rule: the request is validated completely before the transaction, which makes no external calls. When it commits, the
cluster's status is CREATE_IN_PROGRESS and the operation is durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jeroboam.driver import ClusterSpec
from jeroboam.driver.labels import asks_for_api_floating_ip, boots_from_volume
from services.api.clusters.deadlines import deadline
from services.api.clusters.fields import FIELDS, complete
from services.api.clusters.quota import check_quota_early, take_quota
from services.api.clusters.rows import cluster_columns, cluster_spec, nodegroup_columns, nodegroup_specs
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.preflight.fetch import fetch
from services.api.preflight.judge import (
    Found,
    Problem,
    Wanted,
    demand,
    hardware_problems,
    judge,
    judge_quotas,
    refusal,
)
from services.api.preflight.lookups import RequestLookups
from services.api.quotas.exceeded import note_exceeded_quotas
from services.api.reader import Row
from services.api.templates.fields import check_stored
from services.api.templates.queries import one_template
from services.api.wire.errors import ApiError, bad_request, not_found
from services.api.wire.fields import check_labels_fit, parse_body
from services.api.wire.idempotency import Key, remember
from services.api.wire.microversion import ZERO_NODES
from services.api.wire.names import random_name
from shared.db.models import Cluster
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.drivers import checks
from shared.drivers.driver import Driver
from shared.drivers.registry import find_driver, find_engine, supported_types
from shared.operations.new_cluster import insert_cluster
from shared.operations.params import CreateParams


@dataclass(frozen=True, slots=True)
class Prepared:
    """A parsed and checked request; it can be accepted if `problems` is empty."""

    spec: ClusterSpec | None  # None if there are problems
    values: dict[str, Any]
    template: Row
    driver: Driver
    found: Found
    needed: dict[str, int]
    problems: list[Problem]


async def prepare(deps: Deps, context: RequestContext, body: dict[str, Any]) -> Prepared:
    """Parse, complete and check a request, in Magnum's order.

    Raises:
        ApiError: the first error that Magnum would return; problems with the cloud are collected instead.
    """
    if body.get("cluster_template_id", True) in (None, ""):
        # Magnum looks up a template named None or ""; only an absent attribute is a missing field.
        raise _no_template(context, not_found("ClusterTemplate", str(body["cluster_template_id"])))
    given = parse_body(body, FIELDS, "cluster")
    if given.get("node_count") == 0 and context.version < ZERO_NODES:
        raise bad_request("Resizing a nodegroup to zero is not supported in the provided microversion.")
    template = await _template(deps, context, given["cluster_template_id"])
    check_stored(template)
    values = complete(given, template)
    check_labels_fit(deps.settings.limits, values["labels"])
    values["name"] = values["name"] or random_name("cluster")
    _check_shape(deps, values, template)
    deps.policy.check(context, "cluster:create")
    if not context.project_id:
        raise bad_request("A cluster belongs to a project: use a token that is scoped to one.")
    await check_quota_early(deps, context)
    if template["hidden"] and not context.all_projects:
        raise ApiError(403, "Not authorized.")

    lookups = RequestLookups(deps, context)
    return await lookups.judged(
        lambda: _examine(deps, context, lookups, values, template), refused=lambda prepared: bool(prepared.problems)
    )


async def _examine(
    deps: Deps, context: RequestContext, lookups: RequestLookups, values: dict[str, Any], template: Row
) -> Prepared:
    """Query the cloud and check the request against it; nothing is awaited after the cloud has answered."""
    wanted = _wanted(values, template)
    found = await fetch(lookups, wanted)
    found = replace(found, quotas=deps.promises.counted(context.project_id, found.quotas))
    problems = judge(wanted, found)
    driver = _driver(template, found)
    for name in dict.fromkeys((wanted.flavor, wanted.master_flavor or wanted.flavor)):
        problems += hardware_problems(name, driver.hardware, found)
    spec: ClusterSpec | None = None
    needs: Mapping[str, int] = {}
    if _is_resolved(wanted, found):
        spec = cluster_spec(new_id(), context.project_id, values, template, found, deps.settings.cni_manifests)
        groups = nodegroup_specs(values, found, driver)
        problems += [Problem(400, text) for text in checks.problems(driver.engine, spec, groups)]
        # Quotas cannot be computed from invalid labels.
        needs = {} if problems else checks.needs(driver.engine, spec, groups)
    needed = demand(wanted, found, needs)
    problems += judge_quotas(needed, found.quotas)
    return Prepared(spec, values, template, driver, found, needed, problems)


async def accept(deps: Deps, context: RequestContext, prepared: Prepared, key: Key | None) -> dict[str, str]:
    """Store the cluster, its nodegroups and nodes, and queue the create, in one transaction.

    Raises:
        ApiError: 403 if another request used the last free slot of the project's quota.
    """
    if prepared.problems:
        await note_exceeded_quotas(deps, context.project_id, prepared.needed, prepared.found.quotas)
        raise refusal(prepared.problems)
    settings = deps.settings
    assert prepared.spec is not None
    answer = {"uuid": prepared.spec.uuid}
    # Nothing has been awaited since the quotas were judged, so no other request can have been promised the same.
    promise = deps.promises.make(context.project_id, prepared.spec.uuid, prepared.needed, prepared.found.quotas)
    with promise:
        async with deps.db.transaction() as session:
            await take_quota(session, deps, context.project_id)
            cluster = cluster_columns(context, prepared.spec, prepared.values, prepared.template, prepared.driver)
            await insert_cluster(
                session,
                cluster,
                nodegroup_columns(cluster, prepared.values, prepared.found, prepared.driver),
                request_id=context.request_id,
                params=CreateParams(
                    node_count=prepared.values["node_count"], master_count=prepared.values["master_count"]
                ),
                timeout=deadline(settings, Cluster(create_timeout=cluster["create_timeout"]), OperationKind.CREATE),
                nodes_per_stack=settings.nodes_per_stack,
            )
            await remember(session, key, 202, answer)
    return answer


async def _template(deps: Deps, context: RequestContext, ident: str) -> Row:
    try:
        return await one_template(deps.reader, context.scope_project, ident)
    except ApiError as error:
        raise (_no_template(context, error) if error.status == 404 else error) from None


def _no_template(context: RequestContext, error: ApiError) -> ApiError:
    """Before 1.10, a template that does not exist returns 400 instead of 404."""
    return bad_request(error.detail) if context.version < ZERO_NODES else error


def _is_resolved(wanted: Wanted, found: Found) -> bool:
    """Whether labels can be checked: with the network that is meant, not with the one that would be created instead."""
    network = wanted.fixed_network is None or found.fixed_network is not None
    subnet = found.fixed_subnet
    known = wanted.fixed_subnet is None if subnet is None else ":" not in subnet.cidr
    return found.image is not None and network and known


def _check_shape(deps: Deps, values: dict[str, Any], template: Row) -> None:
    masters: int = values["master_count"]
    engine = find_engine(template["coe"])
    if engine is not None and (problem := engine.master_count_problem(masters)) is not None:
        raise bad_request(problem)
    if masters > 1 and not values["master_lb_enabled"]:
        raise bad_request("master_count must be 1 when master_lb_enabled is False")
    highest = deps.settings.max_nodes_per_cluster
    if masters + values["node_count"] > highest:
        raise bad_request(f"A cluster may have at most {highest} nodes.")


def _wanted(values: dict[str, Any], template: Row) -> Wanted:
    return Wanted(
        image=template["image_id"],
        flavor=values["flavor_id"],
        master_flavor=values["master_flavor_id"],
        keypair=values["keypair"],
        external_network=template["external_network_id"],
        needs_external_network=values["floating_ip_enabled"]
        or not (values["fixed_network"] or values["fixed_subnet"])
        or asks_for_api_floating_ip(values["labels"]),
        fixed_network=values["fixed_network"] or None,
        fixed_subnet=values["fixed_subnet"] or None,
        master_count=values["master_count"],
        node_count=values["node_count"],
        boots_from_volume=boots_from_volume(values["labels"]),
    )


def _driver(template: Row, found: Found) -> Driver:
    distro = (found.image.os_distro if found.image else None) or template["cluster_distro"] or ""
    return require_driver(template["coe"], distro, template["server_type"])


def require_driver(coe: str, distro: str, server_type: str) -> Driver:
    """Return the driver of a cluster type, or raise Magnum's 400."""
    driver = find_driver(coe, distro, server_type)
    if driver is None:
        supported = ", ".join(f"({', '.join(each)})" for each in supported_types())
        raise bad_request(
            f"Cluster type ({server_type}, {distro}, {coe}) is not supported by any loaded cluster driver. "
            f"Loaded drivers support: {supported}."
        )
    return driver
