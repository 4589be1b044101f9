"""`actions/upgrade`: upgrades a cluster to the versions of another template.

Rule: checks are Magnum's, with its messages and in its order, except that an upgrade is accepted after a failed update,
because it may repair the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.api.clusters.operable import require_operation, start
from services.api.clusters.replacing import find_replacement, promise_surge
from services.api.context import RequestContext
from services.api.deps import Deps
from services.api.nodegroups.queries import default_nodegroups, one_nodegroup
from services.api.reader import Row
from services.api.templates.queries import one_template
from services.api.wire.errors import ApiError, bad_request, conflict, not_found, wrong_status
from services.api.wire.fields import Field, integer, string
from shared.db.models import Cluster
from shared.domain.states import OperationKind
from shared.drivers.registry import find_driver
from shared.operations.cluster_state import ClusterState, load_cluster
from shared.operations.locks import lock_cluster
from shared.operations.params import UpgradeParams
from shared.operations.upgrades import cluster_target, kept_labels, replaces_every_machine, target_problems

FIELDS = [
    Field("cluster_template", string(), {"type": "string", "minLength": 1, "maxLength": 255}, mandatory=True),
    Field("max_batch_size", integer(lowest=1), {"type": ["integer", "null"], "minimum": 1}),
    Field("nodegroup", string(), {"type": ["string", "null"], "minLength": 1}),
]
_ACCEPTED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED"})


async def upgrade_cluster(deps: Deps, context: RequestContext, found: Row, body: Mapping[str, Any]) -> None:
    """Accept an upgrade; `body` was parsed with FIELDS."""
    if context.all_projects:
        deps.policy.check(context, "cluster:upgrade_all_projects")
    deps.policy.check(context, "cluster:upgrade", project_id=found["project_id"], user_id=found["user_id"])
    template = await one_template(deps.reader, context.scope_project, body["cluster_template"])
    concerned, whole = await _nodegroups(deps, context, found, template, body.get("nodegroup"))
    if found["status"] not in _ACCEPTED:
        raise wrong_status(found["status"], doing="Upgrading")
    engine = require_operation(found, OperationKind.UPGRADE)
    taken_by = find_driver(template["coe"], template["cluster_distro"] or "", template["server_type"])
    if taken_by is None or taken_by.name != found["driver"]:
        raise _not_valid(f"Cluster Template {template['name']} is not for clusters of driver {found['driver']}.")
    state = await load_cluster(deps.db, found["uuid"])
    replacement = await find_replacement(deps, context, found, template, state, concerned)
    replaced = replaces_every_machine(replacement.images, concerned)
    # Any other nodegroup only follows its cluster.
    if whole and (problems := target_problems(engine, state.spec, template["labels"], replaced=replaced)):
        raise bad_request(" ".join(problems))
    if whole and (problems := _left_behind(state, template["labels"], concerned)):
        raise bad_request(" ".join(problems))
    params = UpgradeParams(
        cluster_template_id=template["uuid"],
        max_batch_size=body.get("max_batch_size") or 1,
        nodegroup=body.get("nodegroup"),
    )
    if replacement.images:
        params = params.model_copy(update={"images": dict(replacement.images), "replace_all": replacement.all})
    promises = await promise_surge(deps, context, state, replacement.images, params.max_batch_size or 1)
    # They end if the transaction fails.
    with promises:
        async with deps.db.transaction() as session:
            cluster = await lock_cluster(session, found["uuid"])
            if cluster is None:
                raise not_found("Cluster", found["uuid"])
            _check_again(cluster)
            await start(session, deps, context, cluster, OperationKind.UPGRADE, params=params, nodegroup_ids=concerned)


def _left_behind(cluster: ClusterState, wanted: Mapping[str, str], concerned: Sequence[str]) -> list[str]:
    """What an upgrade of the default nodegroups makes impossible for those that stay as they are."""
    target = cluster_target(cluster.engine, cluster.spec, wanted).labels
    staying = [
        replace(group, labels=kept_labels(cluster.engine, cluster.spec, target, group.labels))
        for uuid, group in cluster.nodegroups.items()
        if uuid not in concerned
    ]
    after = replace(cluster.spec, labels=target)
    found: list[str] = []
    for group in staying:
        known = cluster.engine.problems(cluster.spec, [group])
        now = [text for text in cluster.engine.problems(after, [group]) if text not in known]
        found += [f"Nodegroup {group.name}, which is not upgraded with its cluster: {text}" for text in now]
    return found


async def _nodegroups(
    deps: Deps, context: RequestContext, found: Row, template: Row, ident: str | None
) -> tuple[list[str], bool]:
    """The UUIDs of the nodegroups to upgrade (one, or all default ones), and whether that upgrades the cluster."""
    defaults = await default_nodegroups(deps.reader, found["uuid"])
    if ident is None:
        return defaults, True
    group = await one_nodegroup(deps.reader, found["uuid"], ident)
    if group["is_default"]:
        return defaults, True
    if template["uuid"] != found["cluster_template_id"]:
        own = await one_template(deps.reader, None, found["cluster_template_id"])
        raise _not_valid(f"Nodegroup {group['name']} can be upgraded only to match cluster's template ({own['name']}).")
    return [group["uuid"]], False


def _check_again(cluster: Cluster) -> None:
    """Repeat the checks of values that may have changed since they were read."""
    if cluster.status not in _ACCEPTED:
        raise wrong_status(cluster.status, doing="Upgrading")


def _not_valid(reason: str) -> ApiError:
    return conflict(f"Cluster Template is not valid for upgrade: {reason}")
