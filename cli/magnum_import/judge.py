"""Decides which rows of a Magnum database can be imported.

Rule: these are pure functions of source rows. A refusal states the reason and what to do about it; a note states what
is lost or different after the import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cli.magnum_import.source import SourceRow
from shared.drivers.registry import driver_names, find_driver

# Magnum copies Heat's statuses; these do not exist in Jeroboam.
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
    """The row can be imported, with `notes`, if `refusals` is empty."""

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def status_here(status: str | None) -> str:
    """Jeroboam's status for a status of Magnum that is not in progress."""
    return _STATUSES.get(status or "", status or "CREATE_COMPLETE")


def judge_template(template: SourceRow) -> Judgement:
    """Every complete template can be imported, even if no driver can create clusters from it."""
    refusals = [f"it has no {column}" for column in ("uuid", "coe", "image_id", "project_id") if not template[column]]
    notes = []
    distro, server_type = template["cluster_distro"] or "", template["server_type"] or "vm"
    if find_driver(template["coe"] or "", distro, server_type) is None:
        kind = f"({server_type}, {distro or 'no distribution'}, {template['coe']})"
        notes.append(f"no driver can create clusters of {kind}: set an image with a supported distribution")
    if template["driver"] and template["driver"] not in driver_names():
        notes.append(f"its driver {template['driver']} is not installed and is not imported")
    return Judgement(tuple(refusals), tuple(notes))


def judge_cluster(cluster: SourceRow, template: SourceRow | None, groups: Sequence[SourceRow]) -> Judgement:
    """Check whether a cluster can be imported."""
    refusals: list[str] = []
    status = cluster["status"] or ""
    if template is None:
        refusals.append(f"its template {cluster['cluster_template_id']} is not in the database")
    if status.endswith("_IN_PROGRESS"):
        refusals.append(f"it is in {status}: wait until Magnum has finished, then import again")
    elif status == "DELETE_COMPLETE":
        refusals.append("it is already deleted")
    elif status_here(status) not in _OUR_STATUSES:
        refusals.append(f"its status {status!r} is not a status of Magnum")
    busy = [group["name"] for group in groups if (group["status"] or "").endswith("_IN_PROGRESS")]
    if busy and not status.endswith("_IN_PROGRESS"):
        names = ", ".join(busy)
        refusals.append(f"nodegroup {names} is in progress: wait until Magnum has finished, then import again")
    stacks = {row["stack_id"] for row in (cluster, *groups) if row["stack_id"]}
    foreign = sorted(stack for stack in stacks if not _is_uuid(stack))
    if foreign:
        names = ", ".join(foreign)
        refusals.append(f"it is not a Heat stack but {names} of a Cluster API driver, which continues to manage it")
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
        notes.append(f"clusters of type {template['coe']} can only be shown and deleted")
    trust = (("trust", cluster["trust_id"]), ("trustee user", cluster["trustee_user_id"]))
    if any(ident for _, ident in trust):
        who = " and ".join(f"{what} {ident}" for what, ident in trust if ident)
        notes.append(f"not imported; delete in Keystone after deleting the cluster: {who}")
    # A reference to Barbican is a URL; other references are IDs.
    containers = sorted({cluster[column] for column in _CERTIFICATES if "/" in (cluster[column] or "")})
    if containers:
        notes.append(f"delete in Barbican after deleting the cluster: {', '.join(containers)}")
    return notes


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
