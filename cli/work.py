"""`jeroboam operation ...` and `jeroboam events`"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.output import Format, show_one, show_rows
from cli.state import failures_as_words, options
from cli.watch import watch

operations = typer.Typer(no_args_is_help=True, help="List, show, retry and cancel operations.")

OPERATION_COLUMNS = ("uuid", "cluster_name", "kind", "state", "step", "done", "total", "reason", "created_at")

OperationId = Annotated[str, typer.Argument(help="UUID of the operation")]


@operations.command("list")
def list_operations(
    context: typer.Context,
    cluster: Annotated[str | None, typer.Option(help="show only operations of this cluster")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List operations, newest first."""
    with failures_as_words():
        path = f"/v1/clusters/{cluster}/operations" if cluster else "/v1/operations"
        rows = options(context).api().pages(path, "operations", at_most=limit)
        show_rows(rows, OPERATION_COLUMNS, options(context).format)


@operations.command("show")
def show_operation(context: typer.Context, operation: OperationId) -> None:
    """Show an operation with its steps."""
    with failures_as_words():
        show_one(options(context).api().get(f"/v1/operations/{operation}"), options(context).format)


@operations.command()
def retry(context: typer.Context, operation: OperationId) -> None:
    """Retry a failed operation from the step that failed."""
    with failures_as_words():
        options(context).api().post(f"/v1/operations/{operation}/retry")
        print(f"Operation {operation} was queued again")


@operations.command()
def cancel(context: typer.Context, operation: OperationId) -> None:
    """Cancel an operation at the end of its current step."""
    with failures_as_words():
        options(context).api().post(f"/v1/operations/{operation}/cancel")
        print(f"Operation {operation} will be cancelled")


@operations.command("wait")
def wait_for(context: typer.Context, operation: OperationId) -> None:
    """Wait until an operation ends. The exit status is 0 if it succeeded."""
    with failures_as_words():
        if watch(options(context).api(), operation)["state"] != "succeeded":
            raise typer.Exit(1)


def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="keep running and print new events")] = False,
    cluster: Annotated[str | None, typer.Option(help="show only events of this cluster (UUID)")] = None,
    after: Annotated[str | None, typer.Option(help="cursor; show only later events")] = None,
) -> None:
    """Show the event log."""
    with failures_as_words():
        api = options(context).api()
        fmt = options(context).format
        cursor = after
        for event in api.pages("/v1/events", "events", cluster=cluster, after=after):
            _print_event(event, fmt)
            cursor = event["cursor"]
        if follow:
            for event in api.follow_events(cursor, cluster=cluster):
                _print_event(event, fmt)


def _print_event(event: dict[str, Any], fmt: Format) -> None:
    if fmt is Format.JSON:
        print(json.dumps(event), flush=True)
        return
    print(f"{event['time'][:23]}  {event['cursor']:>12}  {summary(event)}", flush=True)


def summary(event: dict[str, Any]) -> str:
    """One line about an event: its type and its most important data."""
    data = event["data"]
    name = event["type"].removeprefix("io.jeroboam.").rsplit(".", 1)[0]
    parts = [str(data[key]) for key in ("name", "cluster_name", "step", "status") if data.get(key)]
    if data.get("total"):
        parts.append(f"{data['done']}/{data['total']}")
    if data.get("reason"):
        parts.append(str(data["reason"]))
    return f"{name:<28} {'  '.join(parts)}"
