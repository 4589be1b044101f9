"""Parses a patch of a cluster.

Rule: these are pure functions. Magnum supports `node_count` and the two health attributes. Its client also has commands
for `name`, `labels` and `master_count`, which Magnum rejects and Jeroboam handles. Every other attribute is rejected by
name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.api.clusters.fields import FIELDS, HEALTH
from services.api.clusters.views import FULL
from services.api.reader import Row
from services.api.wire.errors import bad_request
from services.api.wire.fields import integer, labels, one_of
from services.api.wire.patch import Change, Rules, apply_changes

RULES = Rules(
    internal=frozenset(
        (
            *("api_address", "node_addresses", "master_addresses", "stack_id", "cluster_id"),
            *("ca_cert_ref", "magnum_cert_ref", "etcd_ca_cert_ref", "front_proxy_ca_cert_ref"),
        )
    ),
    mandatory=frozenset({"cluster_template_id"}),
    literals=frozenset({"labels", "health_status_reason"}),
)
_PARSERS = {
    **{field.name: field.parse for field in FIELDS if field.name in ("name", "labels")},
    "node_count": integer(lowest=0),
    "master_count": integer(lowest=1),
    "health_status": one_of(*HEALTH),
    "health_status_reason": labels,
}
# Values of removed attributes; a name cannot be removed.
_REMOVED: dict[str, Any] = {
    "node_count": 1,
    "master_count": 1,
    "labels": {},
    "health_status": None,
    "health_status_reason": {},
}

_HEALTH = ("health_status", "health_status_reason")


@dataclass(frozen=True, slots=True)
class Asked:
    """Args: columns: values to write immediately; node_count: of the default workers, None if not in the patch;
    health: status and reason if the patch mentions one of them, even without a change.
    """

    columns: dict[str, Any]
    node_count: int | None
    health: tuple[str | None, dict[str, str]] | None = None


def asked_for(row: Row, changes: list[Change]) -> Asked:
    """Combine the changes.

    Raises:
        ApiError: 400 for an attribute that cannot be changed, or an invalid value.
    """
    document = {name: row[name] for name in FULL}
    patched = apply_changes(document, changes, RULES)
    new: dict[str, Any] = {}
    for name, old in document.items():
        if name in patched and patched[name] == old and type(patched[name]) is type(old):
            continue
        if name not in patched:
            new[name] = _REMOVED.get(name)
        else:
            new[name] = _PARSERS[name](name, patched[name]) if name in _PARSERS else patched[name]
    fixed = [name for name in new if name not in _PARSERS or (name == "name" and new[name] is None)]
    if fixed:
        raise bad_request(f"cannot change cluster property(ies) {', '.join(fixed)}.")
    if new.pop("master_count", row["master_count"]) != row["master_count"]:
        raise bad_request("Resizing the master nodegroup is not supported by this driver.")
    mentioned = any(change.attribute == "node_count" for change in changes)
    count = new.pop("node_count", document["node_count"])
    health = tuple(new.pop(name, row[name]) for name in _HEALTH)
    measured = any(change.attribute in _HEALTH for change in changes)
    return Asked(new, count if mentioned else None, (health[0], health[1] or {}) if measured else None)
