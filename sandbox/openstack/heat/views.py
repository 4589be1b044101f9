"""JSON representations of stacks, resources and events.

Rule: the formats are exactly those of Heat, including nulls and texts, because clients depend on details.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.store import Row
from sandbox.openstack.wire import Call


def stack_url(call: Call, stack: Row) -> str:
    """The full URL of a stack."""
    return f"{call.root}/v1/{stack['project_id']}/stacks/{stack['name']}/{stack['id']}"


def listed_view(call: Call, stack: Row) -> dict[str, Any]:
    """A stack in a listing."""
    return {
        "id": stack["id"],
        "links": [{"href": stack_url(call, stack), "rel": "self"}],
        "project": stack["project_id"],
        "stack_name": stack["name"],
        "description": stack["description"],
        "stack_status": f"{stack['action']}_{stack['status']}",
        "stack_status_reason": stack["reason"],
        "creation_time": stack["created"],
        "updated_time": stack["updated"],
        "deletion_time": stack["deleted"],
        "stack_owner": stack["owner"],
        "parent": None,
        "stack_user_project_id": stack["project_id"],
        "tags": stack["tags"] or None,
    }


def stack_view(call: Call, stack: Row, parameters: dict[str, Any]) -> dict[str, Any]:
    """A stack shown alone, without its outputs."""
    shown = listed_view(call, stack)
    shown.pop("project")
    return {
        **shown,
        "description": stack["description"] or "No description",
        "notification_topics": [],
        "parameters": parameters,
        "template_description": stack["description"] or "No description",
        "capabilities": [],
        "disable_rollback": stack["disable_rollback"],
        "timeout_mins": stack["timeout_mins"],
    }


def resource_view(call: Call, stack: Row, row: Row, required_by: list[str]) -> dict[str, Any]:
    """A resource in a listing or alone."""
    url = stack_url(call, stack)
    return {
        "resource_name": row["name"],
        "logical_resource_id": row["name"],
        "physical_resource_id": row["physical_id"],
        "resource_type": row["type"],
        "resource_status": f"{row['action']}_{row['status']}",
        "resource_status_reason": row["reason"],
        "creation_time": row["created"],
        "updated_time": row["updated"],
        "required_by": required_by,
        "links": [
            {"href": f"{url}/resources/{row['name']}", "rel": "self"},
            {"href": url, "rel": "stack"},
        ],
    }


def event_view(call: Call, stack: Row, row: Row) -> dict[str, Any]:
    """An event."""
    url = stack_url(call, stack)
    at = f"{url}/resources/{row['resource_name']}"
    return {
        "id": row["id"],
        "event_time": row["time"],
        "resource_name": row["resource_name"],
        "logical_resource_id": row["resource_name"],
        "physical_resource_id": row["physical_id"],
        "resource_type": row["type"],
        "resource_status": row["status"],
        "resource_status_reason": row["reason"],
        "links": [
            {"href": f"{at}/events/{row['id']}", "rel": "self"},
            {"href": at, "rel": "resource"},
            {"href": url, "rel": "stack"},
        ],
    }
