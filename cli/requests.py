"""Shared by the commands that request a change: key=value options, and waiting for the operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.api import Api, ApiError
from cli.watch import latest_operation, watch

ClusterName = Annotated[str, typer.Argument(help="name or UUID of the cluster")]
Wait = Annotated[bool, typer.Option("--wait", help="wait until the operation ends")]


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Parse the values of a repeated option of the form key=value."""
    found = {}
    for pair in given:
        key, separator, value = pair.partition("=")
        if not key or not separator:
            raise ApiError(f"{option} {pair!r} does not have the form key=value")
        found[key] = value
    return found


def replaced(values: dict[str, Any]) -> list[dict[str, Any]]:
    """A JSON patch that replaces the attributes whose value is not None."""
    patch = [
        {"op": "replace", "path": f"/{name}", "value": value} for name, value in values.items() if value is not None
    ]
    if not patch:
        raise ApiError("nothing to change: give at least one option")
    return patch


def accepted(api: Api, what: str, cluster_id: str, *, wait: bool) -> None:
    """Report that a request was accepted, and watch its operation if asked to."""
    print(f"Request to {what} has been accepted.")
    if wait:
        watch_to_success(api, cluster_id)


def watch_to_success(api: Api, uuid: str) -> None:
    """Watch the newest operation of a cluster; raise ApiError unless it succeeds."""
    operation = latest_operation(api, uuid)
    if operation is None:
        raise ApiError(f"cluster {uuid} no longer exists")
    expect_success(watch(api, operation["uuid"]))


def delete_and_watch(api: Api, uuid: str) -> None:
    """Wait until the delete has succeeded. If it cancels a create first, watch that one too."""
    while (operation := latest_operation(api, uuid)) is not None:
        ended = watch(api, operation["uuid"])
        if ended["kind"] == "delete":
            expect_success(ended)
            return


def expect_success(operation: dict[str, Any]) -> None:
    if operation["state"] != "succeeded":
        raise ApiError(f"{operation['kind']} {operation['state']}: {operation['reason']}")
