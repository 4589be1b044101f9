"""`jeroboam cluster upgrade|update|rotate-ca|rotate-credentials`; main.py registers them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.requests import ClusterName as Name
from cli.requests import Wait, accepted, pairs, replaced
from cli.state import failures_as_words, options


def upgrade(
    context: typer.Context,
    cluster: Name,
    cluster_template: Annotated[str, typer.Argument(help="name or UUID of the template with the new version")],
    nodegroup: Annotated[str | None, typer.Option(help="upgrade only this nodegroup to the cluster's version")] = None,
    max_batch_size: Annotated[int, typer.Option(min=1, help="nodes that are upgraded at the same time")] = 1,
    wait: Wait = False,
) -> None:
    """Upgrade a cluster to the version of a template, node by node."""
    with failures_as_words():
        api = options(context).api()
        body: dict[str, Any] = {"cluster_template": cluster_template, "max_batch_size": max_batch_size}
        if nodegroup:
            body["nodegroup"] = nodegroup
        uuid = api.post(f"/v1/clusters/{cluster}/actions/upgrade", body)["uuid"]
        accepted(api, f"upgrade cluster {cluster}", uuid, wait=wait)


def update(
    context: typer.Context,
    cluster: Name,
    name: Annotated[str | None, typer.Option(help="new name")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; replaces the labels")] = None,
) -> None:
    """Rename a cluster, or replace the labels that only new nodes read."""
    with failures_as_words():
        values = {"name": name, "labels": json.dumps(pairs(label, "--label")) if label else None}
        options(context).api().patch(f"/v1/clusters/{cluster}", replaced(values))
        print(f"Cluster {cluster} was updated.")


def rotate_ca(context: typer.Context, cluster: Name, wait: Wait = False) -> None:
    """Replace the certificate authorities and all certificates; configurations from before the rotation expire."""
    _rotate(context, "certificates", "the certificate authorities", cluster, wait=wait)


def rotate_credentials(context: typer.Context, cluster: Name, wait: Wait = False) -> None:
    """Replace the credential with which the cluster's add-ons use OpenStack."""
    _rotate(context, "credentials", "the credentials", cluster, wait=wait)


def _rotate(context: typer.Context, path: str, what: str, cluster: str, *, wait: bool) -> None:
    with failures_as_words():
        api = options(context).api()
        uuid = api.get(f"/v1/clusters/{cluster}")["uuid"]
        api.patch(f"/v1/{path}/{uuid}")
        accepted(api, f"rotate {what} of cluster {cluster}", uuid, wait=wait)
