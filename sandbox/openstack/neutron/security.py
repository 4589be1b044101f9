"""Security groups and their rules in the simulated Neutron.

Rule: each project has a group `default` from its first use, which cannot be deleted. A group that a port uses cannot be
deleted either. There are no duplicate rules.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.neutron import checks
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.store import Row, public
from sandbox.openstack.wire import ApiError

GROUP: dict[str, Any] = {"stateful": True}
RULE: dict[str, Any] = {
    "security_group_id": None,
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": None,
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
    "remote_address_group_id": None,
}
IDENTIFYING = tuple(RULE)


class SecurityGroups:
    """Creates and deletes groups and rules."""

    def __init__(self, state: NeutronState) -> None:
        self.state = state

    def default(self, project_id: str) -> Row:
        """The project's `default` group, which is created if it is missing."""
        for row in self.state.groups.where("project", project_id):
            if row["name"] == "default":
                return row
        return self.create(project_id, {"name": "default", "description": "Default security group"}, first=True)

    def create(self, project_id: str, fields: dict[str, Any], *, first: bool = False) -> Row:
        """A new group with Neutron's two default egress rules."""
        if not first:
            if fields.get("name") == "default":
                raise ApiError(409, "Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
            self.default(project_id)
            self.state.reserve(project_id, "security_group")
        row = self.state.groups.add(self.state.row(project_id, fields, GROUP, shared=False))
        for ethertype in ("IPv4", "IPv6"):
            self._add(project_id, {"security_group_id": row["id"], "direction": "egress", "ethertype": ethertype})
            if first:
                self._add(
                    project_id,
                    {
                        "security_group_id": row["id"],
                        "direction": "ingress",
                        "ethertype": ethertype,
                        "remote_group_id": row["id"],
                    },
                )
        return row

    def group(self, row_id: str) -> Row:
        """A group, or 404."""
        row = self.state.groups.get(row_id)
        if row is None:
            raise missing("SecurityGroup", row_id)
        return row

    def show(self, row: Row) -> Row:
        """A group with its rules, as Neutron lists it."""
        rules = self.state.rules.where("security_group_id", row["id"])
        return {**public(row), "security_group_rules": [public(rule) for rule in rules]}

    def delete(self, row_id: str) -> None:
        """Delete a group and its rules; 409 while a port uses it."""
        row = self.group(row_id)
        if row["name"] == "default":
            raise ApiError(
                409, "Insufficient rights for removing default security group.", "SecurityGroupCannotRemoveDefault"
            )
        if self.state.ports.count("group", row_id):
            raise ApiError(409, f"Security Group {row_id} in use.", "SecurityGroupInUse")
        for rule in self.state.rules.where("security_group_id", row_id):
            self.state.rules.remove(rule["id"])
        self.state.groups.remove(row_id)

    def create_rule(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new rule; 409 if it already exists."""
        self.group(str(fields.get("security_group_id")))
        if fields.get("direction") not in {"ingress", "egress"}:
            raise ApiError(
                400,
                f"Invalid input for direction. Reason: '{fields.get('direction')}' is not in ['ingress', 'egress'].",
                "HTTPBadRequest",
            )
        fields = checks.rule(fields)
        self.state.reserve(project_id, "security_group_rule")
        return self._add(project_id, fields)

    def rule(self, row_id: str) -> Row:
        """A rule, or 404."""
        row = self.state.rules.get(row_id)
        if row is None:
            raise missing("SecurityGroupRule", row_id)
        return row

    def delete_rule(self, row_id: str) -> None:
        """Delete a rule."""
        self.rule(row_id)
        self.state.rules.remove(row_id)

    def _add(self, project_id: str, fields: dict[str, Any]) -> Row:
        row = self.state.row(project_id, fields, RULE)
        row.pop("name")
        row["protocol"] = str(row["protocol"]).lower() if row["protocol"] is not None else None
        for other in self.state.rules.where("security_group_id", row["security_group_id"]):
            if all(other[key] == row[key] for key in IDENTIFYING):
                raise ApiError(
                    409, f"Security group rule already exists. Rule id is {other['id']}.", "SecurityGroupRuleExists"
                )
        return self.state.rules.add(row)
