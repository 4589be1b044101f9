"""Shared by the parts of the simulated Neutron: rows, quotas and error messages.

Rule: each part changes only its own collection. Conditions between collections (a network in use cannot be deleted) are
checked with the indexes here, so the cost does not depend on the number of ports.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.store import Collection, Row, Store, by, new_id
from sandbox.openstack.wire import ApiError

DEFAULT_QUOTAS = {
    "network": 200,
    "subnet": 200,
    "subnetpool": -1,
    "port": 10000,
    "router": 100,
    "floatingip": 1000,
    "security_group": 500,
    "security_group_rule": 5000,
    "rbac_policy": 10,
}


class NeutronState:
    """Collections of Neutron with shared functions."""

    def __init__(self, store: Store) -> None:
        self.networks = store.collection("networks", project=by("project_id"), name=by("name"))
        self.subnets = store.collection(
            "subnets", project=by("project_id"), name=by("name"), network_id=by("network_id")
        )
        self.ports = store.collection(
            "ports",
            project=by("project_id"),
            name=by("name"),
            network_id=by("network_id"),
            device_id=by("device_id"),
            subnet=lambda row: {ip["subnet_id"] for ip in row["fixed_ips"]},
            group=lambda row: tuple(row["security_groups"]),
        )
        self.routers = store.collection("routers", project=by("project_id"), name=by("name"))
        self.floatingips = store.collection(
            "floatingips",
            project=by("project_id"),
            port_id=by("port_id"),
            floating_network_id=by("floating_network_id"),
        )
        self.groups = store.collection("security_groups", project=by("project_id"), name=by("name"))
        self.rules = store.collection(
            "security_group_rules", project=by("project_id"), security_group_id=by("security_group_id")
        )
        self.quotas = store.collection("network_quotas")

    def counted(self) -> dict[str, Collection]:
        """The collections that have a quota."""
        return {
            "network": self.networks,
            "subnet": self.subnets,
            "port": self.ports,
            "router": self.routers,
            "floatingip": self.floatingips,
            "security_group": self.groups,
            "security_group_rule": self.rules,
        }

    def limits(self, project_id: str) -> dict[str, int]:
        """The quota of a project, -1 for unlimited."""
        return {**DEFAULT_QUOTAS, **{k: v for k, v in (self.quotas.get(project_id) or {}).items() if k != "id"}}

    def reserve(self, project_id: str, resource: str, amount: int = 1) -> None:
        """Raise 409 if the project's quota would be exceeded."""
        limit = self.limits(project_id)[resource]
        if limit >= 0 and self.counted()[resource].count("project", project_id) + amount > limit:
            raise ApiError(409, f"Quota exceeded for resources: ['{resource}'].", "OverQuota")

    @staticmethod
    def row(project_id: str, fields: dict[str, Any], defaults: dict[str, Any], **fixed: Any) -> Row:
        """A new row: defaults, requested values, fixed values. 400 for unknown attributes."""
        known = {"name", "description", "project_id", "tenant_id", *defaults}
        if strange := sorted(set(fields) - known):
            raise ApiError(400, f"Unrecognized attribute(s) '{', '.join(strange)}'", "HTTPBadRequest")
        now = iso()
        return {
            "id": new_id(),
            "name": "",
            "description": "",
            **defaults,
            **{key: value for key, value in fields.items() if key in known and value is not None},
            "tenant_id": project_id,
            "project_id": project_id,
            "created_at": now,
            "updated_at": now,
            "revision_number": 1,
            "tags": [],
            **fixed,
        }

    @staticmethod
    def change(collection: Collection, row: Row, **changes: Any) -> Row:
        """Update a row and increment its revision."""
        changes.update(updated_at=iso(), revision_number=row["revision_number"] + 1)
        return collection.update(row, **changes)


def missing(kind: str, row_id: str) -> ApiError:
    """Neutron's error for a missing resource, e.g. `missing("Network", id)`."""
    words = {"FloatingIP": "Floating IP", "SecurityGroup": "Security group", "SecurityGroupRule": "Security group rule"}
    verb = "does not exist" if kind in {"SecurityGroup", "SecurityGroupRule"} else "could not be found"
    return ApiError(404, f"{words.get(kind, kind)} {row_id} {verb}.", f"{kind}NotFound")
