"""`jeroboam prometheus ...`"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
import yaml

from cli.output import show_one, show_rows
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="Scrape the nodes of all clusters with a Prometheus server of your own.")
token = typer.Typer(no_args_is_help=True, help="Tokens with which a Prometheus server reads the list of targets.")
app.add_typer(token, name="token")

COLUMNS = ("uuid", "name", "created_at", "last_used_at", "expires_at")
TOKEN_FILE = "/etc/prometheus/jeroboam-token"  # noqa: S105 - a path
# Labels of the scraped series, from those of the targets.
_SHOWN = {
    "cluster_name": "cluster",
    "cluster_uuid": "cluster_uuid",
    "nodegroup": "nodegroup",
    "role": "role",
    "node_name": "instance",
}


@token.command()
def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="default: a generated one")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36500, help="days until it expires; default: never")] = None,
) -> None:
    """Create a token. It is shown only now."""
    with failures_as_words():
        until = None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat()
        given = {field: value for field, value in {"name": name, "expires_at": until}.items() if value is not None}
        show_one(options(context).api().post("/v1/prometheus/tokens", given), options(context).format)


@token.command("list")
def list_tokens(context: typer.Context) -> None:
    """List the tokens of the project."""
    with failures_as_words():
        show_rows(options(context).api().pages("/v1/prometheus/tokens", "tokens"), COLUMNS, options(context).format)


@token.command()
def delete(context: typer.Context, token: Annotated[str, typer.Argument(help="name or UUID of the token")]) -> None:
    """Delete a token. The next request with it is refused."""
    with failures_as_words():
        options(context).api().delete(f"/v1/prometheus/tokens/{token}")
        print(f"Token {token} was deleted")


@app.command()
def config(
    context: typer.Context,
    token_file: Annotated[str, typer.Option(help="file with the token, on the machine of Prometheus")] = TOKEN_FILE,
    port: Annotated[
        list[int] | None, typer.Option(min=1, max=65535, help="port to scrape; may be given several times")
    ] = None,
    floating_ips: Annotated[
        bool, typer.Option("--floating-ips", help="scrape floating IPs, for nodes that have one")
    ] = False,
    job: Annotated[str, typer.Option(help="name of the job")] = "jeroboam",
) -> None:
    """Print the configuration with which Prometheus scrapes the nodes of all clusters of the project."""
    with failures_as_words():
        endpoint = options(context).api().endpoint
        print(
            yaml.safe_dump(scrape_config(endpoint, token_file, port or [], floating_ips, job), sort_keys=False), end=""
        )


def scrape_config(
    endpoint: str, token_file: str, ports: list[int], floating_ips: bool = False, job: str = "jeroboam"
) -> dict[str, Any]:
    """A complete configuration of Prometheus with one job.

    Args:
        endpoint: URL of the API, without `/v1`.
        ports: the ports to scrape; empty for that of the node exporter.
    """
    query = f"?{urlencode([('port', each) for each in ports])}" if ports else ""
    return {
        "scrape_configs": [
            {
                "job_name": job,
                "http_sd_configs": [
                    {
                        "url": f"{endpoint.rstrip('/')}/v1/prometheus/targets{query}",
                        "refresh_interval": "60s",
                        "authorization": {"type": "Bearer", "credentials_file": token_file},
                    }
                ],
                "relabel_configs": [
                    # Other nodes do not run yet, or do not run any more.
                    {"source_labels": ["__meta_jeroboam_state"], "regex": "joined|failed", "action": "keep"},
                    *([_FLOATING_IPS] if floating_ips else []),
                    *(
                        {"source_labels": [f"__meta_jeroboam_{source}"], "target_label": label}
                        for source, label in _SHOWN.items()
                    ),
                ],
            }
        ]
    }


_FLOATING_IPS = {
    "source_labels": ["__meta_jeroboam_floating_ip", "__address__"],
    "regex": "([^;]+);.*:([0-9]+)",
    "target_label": "__address__",
    "replacement": "$1:$2",
}
