"""`jeroboam nodegroup ...`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.api import ApiError
from cli.output import show_one, show_rows
from cli.requests import ClusterName, Wait, accepted, pairs, replaced
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="Create, show, change and delete nodegroups.")

COLUMNS = ("uuid", "name", "flavor_id", "image_id", "node_count", "status", "role")

Name = Annotated[str, typer.Argument(help="name or UUID of the nodegroup")]


@app.command("list")
def list_nodegroups(context: typer.Context, cluster: ClusterName) -> None:
    """List the nodegroups of a cluster."""
    with failures_as_words():
        rows = options(context).api().pages(f"/v1/clusters/{cluster}/nodegroups", "nodegroups")
        show_rows(rows, COLUMNS, options(context).format)


@app.command()
def show(context: typer.Context, cluster: ClusterName, nodegroup: Name) -> None:
    """Show all details of a nodegroup."""
    with failures_as_words():
        shown = options(context).api().get(f"/v1/clusters/{cluster}/nodegroups/{nodegroup}")
        show_one(shown, options(context).format)


@app.command()
def create(
    context: typer.Context,
    cluster: ClusterName,
    name: Annotated[str, typer.Argument(help="name of the new nodegroup")],
    node_count: Annotated[int, typer.Option(min=0)] = 1,
    min_nodes: Annotated[int, typer.Option(min=0, help="least number of nodes a resize may ask for")] = 0,
    max_nodes: Annotated[int | None, typer.Option(min=1, help="greatest number of nodes")] = None,
    role: Annotated[str | None, typer.Option(help="a word of your own; default: worker")] = None,
    flavor: Annotated[str | None, typer.Option(help="name or ID; default: the cluster's")] = None,
    image: Annotated[str | None, typer.Option(help="name or ID; default: the cluster's")] = None,
    docker_volume_size: Annotated[int | None, typer.Option(min=1, help="in GiB")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; may be given several times")] = None,
    merge_labels: Annotated[bool, typer.Option(help="add the labels to the cluster's")] = False,
    node_label: Annotated[list[str] | None, typer.Option(help="key=value, a label of the engine's nodes")] = None,
    node_taint: Annotated[list[str] | None, typer.Option(help="key=value:effect, a taint of the nodes")] = None,
    wait: Wait = False,
) -> None:
    """Add a nodegroup to a cluster."""
    with failures_as_words():
        body: dict[str, Any] = {
            "name": name,
            "node_count": node_count,
            "min_node_count": min_nodes,
            "max_node_count": max_nodes,
            "role": role,
            "flavor_id": flavor,
            "image_id": image,
            "docker_volume_size": docker_volume_size,
            "labels": pairs(label, "--label") if label else None,
            "merge_labels": merge_labels if label else None,
            "node_labels": pairs(node_label, "--node-label") if node_label else None,
            "node_taints": [_taint(taint) for taint in node_taint] if node_taint else None,
        }
        api = options(context).api()
        given = {field: value for field, value in body.items() if value is not None}
        uuid = api.post(f"/v1/clusters/{cluster}/nodegroups", given)["cluster_id"]
        accepted(api, f"create nodegroup {name}", uuid, wait=wait)


@app.command()
def update(
    context: typer.Context,
    cluster: ClusterName,
    nodegroup: Name,
    min_nodes: Annotated[int | None, typer.Option(min=0)] = None,
    max_nodes: Annotated[int | None, typer.Option(min=1)] = None,
    node_label: Annotated[list[str] | None, typer.Option(help="key=value; replaces the labels of its nodes")] = None,
    node_taint: Annotated[list[str] | None, typer.Option(help="key=value:effect; replaces the taints")] = None,
    wait: Wait = False,
) -> None:
    """Change the limits, or the labels and taints, of a nodegroup. `cluster resize` changes its number of nodes."""
    with failures_as_words():
        values: dict[str, Any] = {
            "min_node_count": min_nodes,
            "max_node_count": max_nodes,
            "node_labels": pairs(node_label, "--node-label") if node_label else None,
            "node_taints": [_taint(taint) for taint in node_taint] if node_taint else None,
        }
        api = options(context).api()
        uuid = api.patch(f"/v1/clusters/{cluster}/nodegroups/{nodegroup}", replaced(values))["cluster_id"]
        accepted(api, f"update nodegroup {nodegroup}", uuid, wait=wait)


@app.command()
def delete(context: typer.Context, cluster: ClusterName, nodegroup: Name, wait: Wait = False) -> None:
    """Delete a nodegroup and its nodes; the default ones cannot be deleted."""
    with failures_as_words():
        api = options(context).api()
        uuid = api.get(f"/v1/clusters/{cluster}")["uuid"]
        api.delete(f"/v1/clusters/{uuid}/nodegroups/{nodegroup}")
        accepted(api, f"delete nodegroup {nodegroup}", uuid, wait=wait)


def _taint(given: str) -> dict[str, str]:
    """Parse `key=value:effect` or `key:effect`."""
    rest, separator, effect = given.rpartition(":")
    key, _, value = rest.partition("=")
    if not separator or not key or not effect:
        raise ApiError(f"--node-taint {given!r} does not have the form key=value:effect")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})
