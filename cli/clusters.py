"""`jeroboam cluster ...`"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.api import Api, ApiError
from cli.output import show_one, show_rows
from cli.requests import ClusterName as Name
from cli.requests import Wait, accepted, delete_and_watch, pairs, watch_to_success
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="Create, show, change and delete clusters; get their configuration.")

COLUMNS = ("uuid", "name", "keypair", "node_count", "master_count", "status", "health_status")
NODE_COLUMNS = ("name", "nodegroup", "role", "state", "ip_address", "floating_ip", "version", "reason")


@app.command("list")
def list_clusters(context: typer.Context) -> None:
    """List the clusters of the project."""
    with failures_as_words():
        show_rows(options(context).api().pages("/v1/clusters", "clusters"), COLUMNS, options(context).format)


@app.command()
def show(context: typer.Context, cluster: Name) -> None:
    """Show all details of a cluster."""
    with failures_as_words():
        show_one(options(context).api().get(f"/v1/clusters/{cluster}"), options(context).format)


@app.command()
def nodes(context: typer.Context, cluster: Name) -> None:
    """List the nodes of a cluster with their states."""
    with failures_as_words():
        rows = options(context).api().pages(f"/v1/clusters/{cluster}/nodes", "nodes")
        show_rows(rows, NODE_COLUMNS, options(context).format)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="name of the new cluster")],
    cluster_template: Annotated[str, typer.Option("--cluster-template", help="name or UUID of the template")],
    node_count: Annotated[int, typer.Option(min=0)] = 1,
    master_count: Annotated[int, typer.Option(min=1)] = 1,
    keypair: Annotated[str | None, typer.Option()] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; may be given several times")] = None,
    merge_labels: Annotated[bool, typer.Option(help="add the labels to the template's")] = False,
    timeout: Annotated[int, typer.Option(min=0, help="in minutes; 0 means the operator's default")] = 60,
    dry_run: Annotated[bool, typer.Option(help="show what would be created, without creating it")] = False,
    wait: Wait = False,
) -> None:
    """Create a cluster from a template."""
    with failures_as_words():
        body: dict[str, Any] = {
            "name": name,
            "cluster_template_id": cluster_template,
            "node_count": node_count,
            "master_count": master_count,
            "create_timeout": timeout,
        }
        if keypair:
            body["keypair"] = keypair
        if label:
            body |= {"labels": pairs(label, "--label"), "merge_labels": merge_labels}
        api = options(context).api()
        if dry_run:
            show_one(api.post("/v1/clusters", body, dry_run="true"), options(context).format)
            return
        uuid = api.post("/v1/clusters", body)["uuid"]
        print(f"Request to create cluster {uuid} accepted")
        if wait:
            watch_to_success(api, uuid)


@app.command()
def resize(
    context: typer.Context,
    cluster: Name,
    node_count: Annotated[int, typer.Argument(min=0, help="new number of nodes")],
    nodegroup: Annotated[str | None, typer.Option(help="name or UUID; default: the default workers")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="node to remove in any case; may be repeated")] = None,
    wait: Wait = False,
) -> None:
    """Change the number of nodes of a nodegroup. During another resize, this changes the target of that resize."""
    with failures_as_words():
        api = options(context).api()
        body: dict[str, Any] = {"node_count": node_count}
        if nodegroup:
            body["nodegroup"] = nodegroup
        if remove:
            body["nodes_to_remove"] = remove
        uuid = api.post(f"/v1/clusters/{cluster}/actions/resize", body)["uuid"]
        accepted(api, f"resize cluster {cluster}", uuid, wait=wait)


@app.command()
def delete(
    context: typer.Context,
    cluster: Name,
    wait: Wait = False,
) -> None:
    """Delete a cluster in any state, with all resources that were created for it."""
    with failures_as_words():
        api = options(context).api()
        uuid = api.get(f"/v1/clusters/{cluster}")["uuid"]
        api.delete(f"/v1/clusters/{uuid}")
        print(f"Request to delete cluster {cluster} has been accepted.")
        if wait:
            delete_and_watch(api, uuid)


@app.command()
def config(
    context: typer.Context,
    cluster: Name,
    directory: Annotated[Path, typer.Option("--dir", help="where to write the files")] = Path(),
    force: Annotated[bool, typer.Option(help="overwrite files that exist")] = False,
    env: Annotated[
        bool, typer.Option("--env", help="keep the files in a directory of the cluster's own, for eval in a shell")
    ] = False,
) -> None:
    """Write short-lived client configuration, and print the environment variables that select it."""
    with failures_as_words():
        if env:
            uuid = options(context).api().get(f"/v1/clusters/{cluster}")["uuid"]
            directory, force = _private_directory(uuid), True
        _, environment = write_config(options(context).api(), cluster, directory, force=force)
        for name, value in environment.items():
            print(f"export {name}={shlex.quote(value)}")


def _private_directory(uuid: str) -> Path:
    """A directory for a cluster's configuration, which only the user can read."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    directory = Path(base) / "jeroboam" / "clusters" / uuid
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def write_config(api: Api, cluster: str, directory: Path, *, force: bool) -> tuple[list[Path], dict[str, str]]:
    """Fetch and write a configuration, readable by its owner alone.

    Returns:
        The files, the main one first, and the environment variables that make the engine's own client use them.

    Raises:
        ApiError: a file exists already.
    """
    answer = api.get(f"/v1/clusters/{cluster}/config")
    contents = {directory / Path(name).name: text for name, text in answer["files"].items()}
    if not force and (taken := [path for path in contents if path.exists()]):
        raise ApiError(f"{taken[0]} exists; use --force to overwrite it")
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in contents.items():
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)
    place = str(directory.resolve())
    return list(contents), {name: value.replace("{directory}", place) for name, value in answer["environment"].items()}
