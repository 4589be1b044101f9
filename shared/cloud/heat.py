"""Heat's REST API: stacks and their resources. Synchronous; runs in the threads of `Calls`.

Rule: `disable_rollback` is always set, because the operation decides how to continue and a rollback would lose the
error messages. A deleted stack counts as missing, although Heat still shows it by ID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.cloud import rest
from shared.cloud.errors import LastingConflict
from shared.cloud.types import Stack, StackResource
from shared.domain.errors import TemporaryError

if TYPE_CHECKING:
    from openstack.connection import Connection

GONE = "DELETE_COMPLETE"


def create_stack(
    connection: Connection,
    name: str,
    template: Mapping[str, Any],
    tags: Sequence[str],
    timeout_minutes: int,
) -> Stack:
    """See `Cloud.create_stack`."""
    doing = f"create stack {name}"
    body = {"stack_name": name, **_body(template, tags, timeout_minutes)}
    try:
        answer = rest.call(connection.orchestration, "POST", "/stacks", doing=doing, json=body)
    except LastingConflict:
        existing = find_stack(connection, name)
        if existing is None:
            # It was deleted between the two calls, or a quota is exceeded; a retry shows which.
            raise TemporaryError(f"{doing}: the name is in use, but no stack of that name was found") from None
        return existing
    return Stack(id=answer["stack"]["id"], name=name, status="CREATE_IN_PROGRESS", tags=tuple(tags))


def find_stack(connection: Connection, name_or_id: str) -> Stack | None:
    """See `Cloud.find_stack`."""
    # Heat redirects the short path to /stacks/<name>/<id>; the session follows.
    doing = f"show stack {name_or_id}"
    answer = rest.get_or_none(connection.orchestration, "/stacks", name_or_id, doing=doing)
    if answer is None or answer["stack"]["stack_status"] == GONE:
        return None
    return _stack(answer["stack"])


def list_stacks(connection: Connection, tag: str) -> list[Stack]:
    """See `Cloud.list_stacks`."""
    found = rest.pages(
        connection.orchestration, "/stacks", "stacks", doing=f"list stacks tagged {tag}", params={"tags": tag}
    )
    return [_stack(item) for item in found if item["stack_status"] != GONE]


def update_stack(
    connection: Connection,
    stack_id: str,
    template: Mapping[str, Any],
    tags: Sequence[str],
    timeout_minutes: int,
) -> None:
    """See `Cloud.update_stack`. Raises `TemporaryError` while the stack is busy."""
    rest.send(
        connection.orchestration,
        "PUT",
        f"/stacks/{rest.segment(stack_id)}",
        doing=f"update stack {stack_id}",
        json=_body(template, tags, timeout_minutes),
    )


def delete_stack(connection: Connection, stack_id: str) -> None:
    """See `Cloud.delete_stack`. Heat accepts it in every state, also while the stack is being created."""
    path = f"/stacks/{rest.segment(stack_id)}"
    rest.delete(connection.orchestration, path, doing=f"delete stack {stack_id}")


def stack_resources(connection: Connection, stack_id: str) -> list[StackResource]:
    """See `Cloud.stack_resources`. Not paged: Heat returns all resources of a stack at once."""
    path = f"/stacks/{rest.segment(stack_id)}/resources"
    doing = f"list resources of stack {stack_id}"
    answer = rest.call(connection.orchestration, "GET", path, doing=doing)
    return [
        StackResource(
            name=item["resource_name"],
            type=item["resource_type"],
            physical_id=item.get("physical_resource_id") or "",
            status=item["resource_status"],
            status_reason=item.get("resource_status_reason") or "",
        )
        for item in answer["resources"]
    ]


def stack_template(connection: Connection, stack_id: str) -> dict[str, Any]:
    """See `Cloud.stack_template`."""
    path = f"/stacks/{rest.segment(stack_id)}/template"
    answer: dict[str, Any] = rest.call(
        connection.orchestration, "GET", path, doing=f"read template of stack {stack_id}"
    )
    return answer


def _body(template: Mapping[str, Any], tags: Sequence[str], timeout_minutes: int) -> dict[str, Any]:
    return {
        "template": template,
        "disable_rollback": True,
        "timeout_mins": timeout_minutes,
        "tags": ",".join(tags),
    }


def _stack(item: Mapping[str, Any]) -> Stack:
    return Stack(
        id=item["id"],
        name=item["stack_name"],
        status=item["stack_status"],
        status_reason=item.get("stack_status_reason") or "",
        tags=tuple(item.get("tags") or ()),
        outputs={
            output["output_key"]: output.get("output_value")
            for output in item.get("outputs") or ()
            if not output.get("output_error")
        },
    )
