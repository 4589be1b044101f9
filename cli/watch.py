"""Watches an operation until it ends: redrawn on a terminal, otherwise one line for each change.

Rule: the output shows only what the API returned, and the exit status depends on the operation's final state.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.spinner import Spinner
from rich.table import Table

from cli.api import Api, ApiError
from cli.output import console, is_live

POLL_SECONDS = 0.3
FINAL = ("succeeded", "failed", "cancelled")


def latest_operation(api: Api, cluster_id: str) -> dict[str, Any] | None:
    """The newest operation of a cluster, or None if the cluster no longer exists."""
    try:
        found = api.get(f"/v1/clusters/{cluster_id}/operations", limit=1)["operations"]
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return found[0] if found else None


def watch(api: Api, operation_id: str, *, timeout: float = 7200) -> dict[str, Any]:
    """Show an operation until it ends.

    Args:
        timeout: seconds after which to stop watching (the operation continues).

    Returns:
        The ended operation, with its steps.

    Raises:
        ApiError: the API cannot be reached, or the timeout expired.
    """
    deadline = time.monotonic() + timeout
    display = _Bars() if is_live() else _Lines()
    with display:
        while True:
            operation: dict[str, Any] = api.get(f"/v1/operations/{operation_id}")
            display.show(operation)
            if operation["state"] in FINAL:
                return operation
            if time.monotonic() > deadline:
                raise ApiError(f"operation {operation_id} is still {operation['state']} after {timeout:.0f} s")
            time.sleep(POLL_SECONDS)


class _Lines:
    def __init__(self) -> None:
        self._last = ""
        self._began = time.monotonic()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, operation: dict[str, Any]) -> None:
        line = describe(operation)
        if line != self._last:
            self._last = line
            print(f"  {time.monotonic() - self._began:6.1f} s  {line}", flush=True)


class _Bars:
    """Shows finished steps with their durations, the current step, and a bar of nodes once their number is known."""

    def __init__(self) -> None:
        self._operation: dict[str, Any] = {"state": "queued", "kind": "", "steps": []}
        self._spinner = Spinner("dots")
        self._nodes = Progress(TextColumn("  nodes joined"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = self._nodes.add_task("nodes", total=None)
        self._live = Live(console=console(), refresh_per_second=8, get_renderable=self._render)

    def _render(self) -> RenderableType:
        lines = Table.grid(padding=(0, 1))
        for step in self._operation["steps"]:
            if step["finished_at"]:
                lines.add_row("  [green]✓[/green]", f"{step['name']}  [dim]{seconds_of(step):.1f} s[/dim]")
        if self._operation["state"] not in FINAL:
            lines.add_row(Padding(self._spinner, (0, 0, 0, 2)), describe(self._operation))
        else:
            lines.add_row("", describe(self._operation))
        return Group(lines, self._nodes) if self._operation.get("total") else lines

    def __enter__(self) -> _Bars:
        self._live.__enter__()
        return self

    def __exit__(self, *arguments: Any) -> None:
        self._live.__exit__(*arguments)

    def show(self, operation: dict[str, Any]) -> None:
        self._operation = operation
        if operation["total"]:
            done = operation["total"] if operation["state"] == "succeeded" else operation["done"]
            self._nodes.update(self._bar, total=operation["total"], completed=done)


def seconds_of(step: dict[str, Any]) -> float:
    """Duration of a finished step in seconds, including waiting."""
    return (datetime.fromisoformat(step["finished_at"]) - datetime.fromisoformat(step["started_at"])).total_seconds()


def describe(operation: dict[str, Any]) -> str:
    """One line: the kind, the state or step, and what the operation is waiting for."""
    if operation["state"] in FINAL:
        return f"{operation['kind']} {operation['state']}" + (
            f": {operation['reason']}" if operation.get("reason") else ""
        )
    step = operation.get("step") or operation["state"]
    reason = operation.get("step_reason")
    return f"{operation['kind']}: {step}" + (f" ({reason})" if reason else "")
