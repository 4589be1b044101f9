"""`jeroboam webhook ...`"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli.api import ApiError
from cli.output import show_one, show_rows
from cli.requests import replaced
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="Send events to HTTP endpoints, and look at the deliveries.")

COLUMNS = ("uuid", "name", "url", "event_types", "status", "status_reason")
DELIVERY_COLUMNS = ("uuid", "event_type", "state", "attempts", "last_status", "last_error", "created_at")
ATTEMPT_COLUMNS = ("number", "started_at", "duration_ms", "status", "error", "response_body")

Name = Annotated[str, typer.Argument(help="name or UUID of the webhook")]
Url = Annotated[str | None, typer.Option(help="where events are sent to")]
Description = Annotated[str | None, typer.Option()]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="event type, with * for any part; may be given several times; default: all"),
]
Clusters = Annotated[list[str] | None, typer.Option("--cluster", help="name or UUID of a cluster; default: all")]
Outcomes = Annotated[list[str] | None, typer.Option("--outcome", help="e.g. completed or failed; default: all")]
Body = Annotated[str | None, typer.Option("--body", help="structured (CloudEvents) or plain")]
Ordered = Annotated[
    bool | None, typer.Option("--ordered/--unordered", help="send a cluster's events one after the other, in order")
]


@app.command()
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="where events are sent to")],
    name: Annotated[str | None, typer.Option(help="default: a generated one")] = None,
    description: Description = None,
    event: Events = None,
    cluster: Clusters = None,
    outcome: Outcomes = None,
    body: Body = None,
    ordered: Ordered = None,
    paused: Annotated[bool, typer.Option("--paused", help="send nothing until it is resumed")] = False,
) -> None:
    """Create a webhook. The secret that signs its deliveries is shown only now."""
    with failures_as_words():
        values = _attributes(context, event, cluster, outcome) | {
            "url": url,
            "name": name,
            "description": description,
            "format": body,
            "ordered": ordered,
            "enabled": False if paused else None,
        }
        given = {field: value for field, value in values.items() if value is not None}
        show_one(options(context).api().post("/v1/webhooks", given), options(context).format)


@app.command("list")
def list_webhooks(context: typer.Context) -> None:
    """List the webhooks of the project."""
    with failures_as_words():
        show_rows(options(context).api().pages("/v1/webhooks", "webhooks"), COLUMNS, options(context).format)


@app.command()
def show(context: typer.Context, webhook: Name) -> None:
    """Show all details of a webhook."""
    with failures_as_words():
        show_one(options(context).api().get(f"/v1/webhooks/{webhook}"), options(context).format)


@app.command()
def update(
    context: typer.Context,
    webhook: Name,
    name: Annotated[str | None, typer.Option()] = None,
    url: Url = None,
    description: Description = None,
    event: Events = None,
    cluster: Clusters = None,
    outcome: Outcomes = None,
    body: Body = None,
    ordered: Ordered = None,
) -> None:
    """Change a webhook. The options replace what it had."""
    with failures_as_words():
        values = _attributes(context, event, cluster, outcome) | {
            "name": name,
            "url": url,
            "description": description,
            "format": body,
            "ordered": ordered,
        }
        _patch(context, webhook, values)


@app.command()
def delete(context: typer.Context, webhook: Name) -> None:
    """Delete a webhook; what was not delivered is not sent any more."""
    with failures_as_words():
        options(context).api().delete(f"/v1/webhooks/{webhook}")
        print(f"Webhook {webhook} was deleted")


@app.command()
def pause(context: typer.Context, webhook: Name) -> None:
    """Send nothing until `resume`; events are kept in the meantime."""
    with failures_as_words():
        _patch(context, webhook, {"enabled": False})


@app.command()
def resume(context: typer.Context, webhook: Name) -> None:
    """Send again, after a pause or after the service disabled the webhook."""
    with failures_as_words():
        _patch(context, webhook, {"enabled": True})


@app.command()
def test(context: typer.Context, webhook: Name) -> None:
    """Send a test event to a webhook."""
    with failures_as_words():
        uuid = options(context).api().post(f"/v1/webhooks/{webhook}/test")["uuid"]
        print(f"Delivery {uuid} was queued; `jeroboam webhook delivery {webhook} {uuid}` shows the response")


@app.command("rotate-secret")
def rotate_secret(context: typer.Context, webhook: Name) -> None:
    """Replace the secret. Deliveries are signed with both secrets until the old one expires."""
    with failures_as_words():
        show_one(options(context).api().post(f"/v1/webhooks/{webhook}/rotate-secret"), options(context).format)


@app.command()
def deliveries(
    context: typer.Context,
    webhook: Name,
    state: Annotated[str | None, typer.Option(help="pending, delivered or failed")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List deliveries, newest first."""
    with failures_as_words():
        path = f"/v1/webhooks/{webhook}/deliveries"
        rows = options(context).api().pages(path, "deliveries", at_most=limit, state=state)
        show_rows(rows, DELIVERY_COLUMNS, options(context).format)


@app.command()
def delivery(
    context: typer.Context, webhook: Name, delivery: Annotated[str, typer.Argument(help="UUID of the delivery")]
) -> None:
    """Show a delivery with its attempts: what was sent, and what the receiver answered."""
    with failures_as_words():
        found = options(context).api().get(f"/v1/webhooks/{webhook}/deliveries/{delivery}")
        fmt = options(context).format
        show_one(found, fmt, [field for field in found if field not in ("log", "links")])
        if fmt.value == "table":
            show_rows(found["log"], ATTEMPT_COLUMNS, fmt)


@app.command()
def redeliver(
    context: typer.Context,
    webhook: Name,
    delivery: Annotated[str | None, typer.Argument(help="UUID of a delivery; or give --since")] = None,
    since: Annotated[
        str | None, typer.Option(help="all events since then: a time in ISO 8601, or e.g. 90m, 12h, 3d")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="with --since: also events that were delivered")] = False,
) -> None:
    """Deliver one event again, or all events since a time."""
    with failures_as_words():
        if (delivery is None) == (since is None):
            raise ApiError("give either the UUID of a delivery or --since")
        api = options(context).api()
        if delivery is not None:
            api.post(f"/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver")
            print(f"Delivery {delivery} was queued again")
            return
        answer = api.post(f"/v1/webhooks/{webhook}/redeliver", {"since": _time(since or ""), "all": everything})
        more = "; there are more, repeat the command after these" if answer["more"] else ""
        print(f"{answer['deliveries']} deliveries were queued{more}")


def _patch(context: typer.Context, webhook: str, values: dict[str, Any]) -> None:
    changed = options(context).api().patch(f"/v1/webhooks/{webhook}", replaced(values))
    show_one(changed, options(context).format)


def _attributes(
    context: typer.Context, events: list[str] | None, clusters: list[str] | None, outcomes: list[str] | None
) -> dict[str, Any]:
    api = options(context).api() if clusters else None
    uuids = [api.get(f"/v1/clusters/{cluster}")["uuid"] for cluster in clusters or []] if api else None
    return {"event_types": events or None, "cluster_ids": uuids, "outcomes": outcomes or None}


def _time(text: str) -> str:
    """A time, or the time that long ago."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if unit in units and number.isascii() and number.isdigit() and len(number) <= 6:
        return (datetime.now(UTC) - timedelta(**{units[unit]: int(number)})).isoformat()
    return text
