"""Writes Grafana's dashboard from what it is to show.

    python -m scripts.dashboards            # fails if the committed dashboard differs
    python -m scripts.dashboards --write

Rule: each part has the four golden signals (traffic, errors, latency, saturation) in this order, so that parts can be
compared. The data source is a variable; nothing depends on a name in one Grafana.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "deploy/grafana/dashboards/jeroboam.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Streams and long polls last as long as their clients want.
ANSWERED = 'route!~".*(stream|commands|events).*"'
WIDTH, HEIGHT = 6, 8


@dataclass(frozen=True)
class Panel:
    """Args: queries: (expression, legend) each."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def rate(metric: str, by: str, selector: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{selector}[$__rate_interval]))"


def share(metric: str, failed: str) -> str:
    return f"sum(rate({metric}{{{failed}}}[$__rate_interval])) / sum(rate({metric}[$__rate_interval]))"


def quantiles(metric: str, selector: str = "") -> tuple[tuple[str, str], ...]:
    """The median, and what one of 20 and of 100 exceeds."""
    inner = f"sum by (le) (rate({metric}_bucket{selector}[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {inner})", f"{q * 100:g} %") for q in (0.5, 0.95, 0.99))


ROWS: dict[str, tuple[Panel, ...]] = {
    "API": (
        Panel("Requests", "reqps", ((rate("jeroboam_api_requests_total", "status"), "{{status}}"),)),
        Panel(
            "Errors",
            "percentunit",
            (
                (share("jeroboam_api_requests_total", 'status=~"5.."'), "errors of the server"),
                (share("jeroboam_api_requests_total", 'status="429"'), "too many requests"),
            ),
        ),
        Panel("Duration", "s", quantiles("jeroboam_api_request_seconds", f"{{{ANSWERED}}}")),
        Panel(
            "Connections and streams",
            "short",
            (
                ("sum(jeroboam_api_connections)", "connections"),
                ("sum(jeroboam_streams_open)", "streams"),
                (rate("jeroboam_api_connections_ended_total", "limit"), "ended by {{limit}}, a second"),
            ),
        ),
    ),
    "Relay: from the event log to the bus": (
        Panel("Events published", "ops", (("sum(rate(jeroboam_events_published_total[$__rate_interval]))", "events"),)),
        Panel("Not published", "ops", ((rate("jeroboam_relay_failures_total", "reason"), "{{reason}}"),)),
        Panel("From the transaction to the confirmation", "s", quantiles("jeroboam_relay_lag_seconds")),
        Panel(
            "Waiting",
            "short",
            (
                ("max(jeroboam_events_unpublished)", "events"),
                ("max(jeroboam_events_unpublished_age_seconds)", "age of the oldest, seconds"),
                ("max(jeroboam_dead_letters)", "dead letters"),
            ),
        ),
    ),
    "Runner: operations and their steps": (
        Panel("Runs of steps", "ops", ((rate("jeroboam_step_attempts_total", "outcome"), "{{outcome}}"),)),
        Panel(
            "Failed",
            "ops",
            (
                (rate("jeroboam_operations_ended_total", "kind", '{state="failed"}'), "{{kind}}"),
                (rate("jeroboam_step_attempts_total", "step", '{outcome="error"}'), "step {{step}}"),
                ("sum(rate(jeroboam_leases_lost_total[$__rate_interval]))", "leases lost"),
            ),
        ),
        Panel("Duration of operations", "s", quantiles("jeroboam_operation_seconds")),
        Panel(
            "Active and due",
            "short",
            (
                ("sum by (job) (jeroboam_operations_active)", "active: {{job}}"),
                ("max(jeroboam_operations_due)", "due, not claimed"),
                ("max(jeroboam_operations_due_age_seconds)", "age of the oldest, seconds"),
            ),
        ),
    ),
    "Webhooks": (
        Panel("Attempts", "ops", ((rate("jeroboam_webhook_attempts_total", "outcome"), "{{outcome}}"),)),
        Panel(
            "Failed", "percentunit", ((share("jeroboam_webhook_attempts_total", 'outcome!="delivered"'), "attempts"),)
        ),
        Panel("From the transaction to the response", "s", quantiles("jeroboam_webhook_lag_seconds")),
        Panel(
            "Sent to and disabled",
            "short",
            (
                ("sum(jeroboam_webhooks_active)", "being sent to"),
                ("sum(increase(jeroboam_webhooks_disabled_total[1h]))", "disabled in an hour"),
            ),
        ),
    ),
    "Calls of OpenStack": (
        Panel(
            "Calls",
            "ops",
            (
                (rate("jeroboam_cloud_calls_total", "call"), "{{call}}"),
                (rate("jeroboam_cloud_queries_total", "service"), "queries of the API: {{service}}"),
            ),
        ),
        Panel(
            "Failed",
            "percentunit",
            (
                (share("jeroboam_cloud_calls_total", 'outcome=~"error|timeout"'), "errors and timeouts"),
                (share("jeroboam_cloud_calls_total", 'outcome="refused"'), "refused"),
            ),
        ),
        Panel("Duration", "s", quantiles("jeroboam_cloud_call_seconds")),
        Panel("In progress and waiting", "short", (("sum by (job) (jeroboam_cloud_calls_active)", "{{job}}"),)),
    ),
}


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row, parts in ROWS.items():
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        panels.append({"id": len(panels) + 1, "type": "row", "title": row, "collapsed": False, "gridPos": place})
        panels[-1]["panels"] = []
        for number, part in enumerate(parts):
            place = {"h": HEIGHT, "w": WIDTH, "x": number * WIDTH, "y": y + 1}
            panels.append(_panel(part, len(panels) + 1, place))
        y += HEIGHT + 1
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "jeroboam",
        "title": "Jeroboam",
        "description": "Traffic, errors, latency and saturation of each part. docs/runbooks.md says what to do.",
        "tags": ["jeroboam"],
        "timezone": "browser",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [source]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _panel(part: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for index, (expr, legend) in enumerate(part.queries)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": part.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": part.unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the dashboard")
    text = json.dumps(dashboard(), indent=2) + "\n"
    if parser.parse_args().write:
        TARGET.write_text(text)
    elif TARGET.read_text() != text:
        sys.exit(f"{TARGET} differs; run python -m scripts.dashboards --write")


if __name__ == "__main__":
    main()
