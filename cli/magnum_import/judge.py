"""What of a Magnum can be carried over, and what cannot, in words.

Rule: pure functions of source rows. A refusal leaves the thing in Magnum untouched and says what to do about it; a note
says what is carried over as less than it was. What has nothing to do with the thing itself is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cli.magnum_import.source import SourceRow
from shared.drivers.registry import driver_names, find_driver

# Magnum copies Heat's words; these are the ones we have no word of our own for.
_STATUSES: Mapping[str, str] = {
    "ROLLBACK_COMPLETE": "UPDATE_FAILED",
    "ROLLBACK_FAILED": "UPDATE_FAILED",
    "RESUME_FAILED": "UPDATE_FAILED",
    "RESUME_COMPLETE": "UPDATE_COMPLETE",
    "RESTORE_COMPLETE": "UPDATE_COMPLETE",
    "SNAPSHOT_COMPLETE": "UPDATE_COMPLETE",
    "CHECK_COMPLETE": "UPDATE_COMPLETE",
    "ADOPT_COMPLETE": "UPDATE_COMPLETE",
}
_OUR_STATUSES = frozenset(f"{verb}_{end}" for verb in ("CREATE", "UPDATE", "DELETE") for end in ("COMPLETE", "FAILED"))
_CERTIFICATES = ("ca_cert_ref", "magnum_cert_ref", "etcd_ca_cert_ref", "front_proxy_ca_cert_ref")


@dataclass(frozen=True, slots=True)
class Judgement:
    """`refusals` empty: it can be carried over, with `notes`."""

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def status_here(status: str | None) -> str:
    """Our status for one of Magnum's that is not in progress."""
    return _STATUSES.get(status or "", status or "CREATE_COMPLETE")


def judge_template(template: SourceRow) -> Judgement:
    """Magnum's own templates are all shown; not all of them can make clusters here."""
    refusals = [f"it has no {column}" for column in ("uuid", "coe", "image_id", "project_id") if not template[column]]
    notes = []
    distro, server_type = template["cluster_distro"] or "", template["server_type"] or "vm"
    if find_driver(template["coe"] or "", distro, server_type) is None:
        kind = f"({server_type}, {distro or 'no distribution'}, {template['coe']})"
        notes.append(f"no driver here makes clusters of {kind}: give it an image of a distribution that one takes")
    if template["driver"] and template["driver"] not in driver_names():
        notes.append(f"its driver {template['driver']} is not installed here and is forgotten")
    return Judgement(tuple(refusals), tuple(notes))


def judge_cluster(cluster: SourceRow, template: SourceRow | None, groups: Sequence[SourceRow]) -> Judgement:
    """Whether a cluster can be shown, configured and deleted here."""
    refusals: list[str] = []
    status = cluster["status"] or ""
    if template is None:
        refusals.append(f"its template {cluster['cluster_template_id']} is not in the database")
    if status.endswith("_IN_PROGRESS"):
        refusals.append(f"it is in {status}: wait until Magnum is done, then import again")
    elif status == "DELETE_COMPLETE":
        refusals.append("it is deleted already")
    elif status_here(status) not in _OUR_STATUSES:
        refusals.append(f"its status {status!r} is none of Magnum's")
    busy = [group["name"] for group in groups if (group["status"] or "").endswith("_IN_PROGRESS")]
    if busy and not status.endswith("_IN_PROGRESS"):
        refusals.append(f"nodegroup {', '.join(busy)} is in progress: wait until Magnum is done, then import again")
    stacks = {row["stack_id"] for row in (cluster, *groups) if row["stack_id"]}
    foreign = sorted(stack for stack in stacks if not _is_uuid(stack))
    if foreign:
        refusals.append(f"it is no Heat stack but {', '.join(foreign)} of a Cluster API driver, which stays in charge")
    if not groups:
        refusals.append("it has no nodegroups")
    return Judgement(tuple(refusals), tuple(_cluster_notes(cluster, template, stacks)))


def _cluster_notes(cluster: SourceRow, template: SourceRow | None, stacks: set[str]) -> list[str]:
    notes = []
    status = cluster["status"] or ""
    if status in _STATUSES:
        notes.append(f"its status {status} is shown as {_STATUSES[status]}")
    if not stacks:
        notes.append("it has no stack: deleting it removes nothing from the cloud")
    if template is not None and template["coe"] != "kubernetes":
        notes.append(f"a cluster of {template['coe']}: shown and deleted only")
    trust = (("trust", cluster["trust_id"]), ("trustee user", cluster["trustee_user_id"]))
    if any(ident for _, ident in trust):
        who = " and ".join(f"{what} {ident}" for what, ident in trust if ident)
        notes.append(f"left in Keystone, to be deleted after the cluster: {who}")
    # A reference into Barbican is a URL; other kinds of Magnum's are ids.
    containers = sorted({cluster[column] for column in _CERTIFICATES if "/" in (cluster[column] or "")})
    if containers:
        notes.append(f"left in Barbican, to be deleted after the cluster: {', '.join(containers)}")
    return notes


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
