"""Rows of stacks, resources and events in the simulated Heat.

Rule: the state of a resource and its event are written together. A deleted stack can be read by ID for a while, as in
Heat, but its name can be reused.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.heat.template import Definition
from sandbox.openstack.notifications import Tell, stack_told, tell_nobody
from sandbox.openstack.store import Row, Store, by, new_id
from sandbox.openstack.wire import ApiError

KEPT_DELETED = 200


class Stacks:
    """The rows of Heat."""

    def __init__(self, store: Store, tell: Tell = tell_nobody) -> None:
        self._tell = tell
        self.rows = store.collection(
            "stacks",
            project=by("project_id"),
            live=lambda row: () if row["deleted"] else ((row["project_id"], row["name"]),),
            deleted=lambda row: (bool(row["deleted"]),),
        )
        self.resources = store.collection("resources", stack=by("stack_id"))
        self.events = store.collection("events", stack=by("stack_id"))

    def find(self, project_id: str, name_or_id: str, *, admin: bool = False) -> Row:
        """A stack by name or id; 404 for stacks of other projects."""
        row = self.rows.get(name_or_id)
        if row is not None and (admin or row["project_id"] == project_id):
            return row
        named = self.rows.where("live", (project_id, name_or_id))
        if not named:
            raise ApiError(404, f"The Stack ({name_or_id}) could not be found.", "EntityNotFound")
        return named[0]

    def add(self, project_id: str, user_id: str, owner: str, **fields: Any) -> Row:
        """A new stack, about to be created."""
        return self.rows.add(
            {
                "id": new_id(),
                "project_id": project_id,
                "user_id": user_id,
                "owner": owner,
                "created": iso(),
                "updated": None,
                "deleted": None,
                "action": "CREATE",
                "status": "IN_PROGRESS",
                "reason": "Stack CREATE started",
                "started": 0.0,
                **fields,
            }
        )

    def of(self, stack_id: str) -> dict[str, Row]:
        """The resources of a stack by name."""
        return {row["name"]: row for row in self.resources.where("stack", stack_id)}

    def add_resource(self, stack_id: str, definition: Definition) -> Row:
        """A resource that is not created yet."""
        return self.resources.add(
            {
                "id": f"{stack_id}/{definition.name}",
                "stack_id": stack_id,
                "name": definition.name,
                "type": definition.type,
                "physical_id": "",
                "properties": {},
                "requires": sorted(definition.requires),
                "action": "INIT",
                "status": "COMPLETE",
                "reason": "",
                "created": iso(),
                "updated": iso(),
                # Replaced predecessors, to be deleted at the end of the update.
                "retired": [],
            }
        )

    def mark(self, row: Row, action: str, status: str, reason: str = "state changed", **changes: Any) -> None:
        """Set a resource's state and add the event."""
        self.resources.update(row, action=action, status=status, reason=reason, updated=iso(), **changes)
        self._event(row["stack_id"], row["name"], row["physical_id"], row["type"], action, status, reason)

    def mark_stack(self, row: Row, action: str, status: str, reason: str, **changes: Any) -> None:
        """Set a stack's state and add the event."""
        # Heat tells of an end before it stores it.
        self._tell(stack_told(row, action, status, reason))
        self.rows.update(row, action=action, status=status, reason=reason, **changes)
        self._event(row["id"], row["name"], row["id"], "OS::Heat::Stack", action, status, reason)
        if row["deleted"]:
            self._forget_oldest()

    def _event(self, stack_id: str, name: str, physical_id: str, kind: str, action: str, status: str, why: str) -> None:
        self.events.add(
            {
                "id": new_id(),
                "stack_id": stack_id,
                "resource_name": name,
                "physical_id": physical_id,
                "type": kind,
                "status": f"{action}_{status}",
                "reason": why,
                "time": iso(),
            }
        )

    def _forget_oldest(self) -> None:
        if self.rows.count("deleted", True) <= KEPT_DELETED:
            return
        oldest = self.rows.where("deleted", True)[0]
        for collection in (self.events, self.resources):
            for row in collection.where("stack", oldest["id"]):
                collection.remove(row["id"])
        self.rows.remove(oldest["id"])
