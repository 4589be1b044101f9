"""`jeroboam template ...`"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.output import show_one, show_rows
from cli.requests import pairs, replaced
from cli.state import failures_as_words, options
from cli.template_seed import seed

app = typer.Typer(no_args_is_help=True, help="Create, show, change and delete cluster templates.")

COLUMNS = ("uuid", "name", "coe", "image_id", "network_driver", "public", "tags")

Name = Annotated[str, typer.Argument(help="name or UUID of the template")]
app.command()(seed)


@app.command("list")
def list_templates(context: typer.Context) -> None:
    """List the templates that the project can use."""
    with failures_as_words():
        show_rows(
            options(context).api().pages("/v1/clustertemplates", "clustertemplates"), COLUMNS, options(context).format
        )


@app.command()
def show(context: typer.Context, template: Name) -> None:
    """Show a template."""
    with failures_as_words():
        show_one(options(context).api().get(f"/v1/clustertemplates/{template}"), options(context).format)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="name of the new template")],
    coe: Annotated[str, typer.Option(help="engine, e.g. kubernetes")],
    image: Annotated[str, typer.Option(help="name or ID of the nodes' image")],
    external_network: Annotated[str | None, typer.Option(help="name or ID; default: the only one")] = None,
    flavor: Annotated[str | None, typer.Option(help="name or ID of the workers' flavor")] = None,
    master_flavor: Annotated[str | None, typer.Option(help="name or ID of the masters' flavor")] = None,
    keypair: Annotated[str | None, typer.Option()] = None,
    fixed_network: Annotated[str | None, typer.Option(help="existing network for the nodes")] = None,
    fixed_subnet: Annotated[str | None, typer.Option(help="existing subnet for the nodes")] = None,
    network_driver: Annotated[str | None, typer.Option(help="network of containers, e.g. flannel")] = None,
    docker_volume_size: Annotated[int | None, typer.Option(min=1, help="in GiB")] = None,
    master_lb: Annotated[bool, typer.Option(help="several masters behind one address")] = False,
    floating_ip: Annotated[bool, typer.Option(help="give nodes floating IPs")] = True,
    label: Annotated[list[str] | None, typer.Option(help="key=value; may be given several times")] = None,
    public: Annotated[bool, typer.Option(help="visible to all projects")] = False,
) -> None:
    """Create a template."""
    with failures_as_words():
        body: dict[str, Any] = {
            "name": name,
            "coe": coe,
            "image_id": image,
            "external_network_id": external_network,
            "flavor_id": flavor,
            "master_flavor_id": master_flavor,
            "keypair_id": keypair,
            "fixed_network": fixed_network,
            "fixed_subnet": fixed_subnet,
            "network_driver": network_driver,
            "docker_volume_size": docker_volume_size,
            "master_lb_enabled": master_lb,
            "floating_ip_enabled": floating_ip,
            "labels": pairs(label or (), "--label"),
            "public": public,
        }
        given = {field: value for field, value in body.items() if value is not None}
        show_one(options(context).api().post("/v1/clustertemplates", given), options(context).format)


@app.command()
def update(
    context: typer.Context,
    template: Name,
    name: Annotated[str | None, typer.Option(help="new name")] = None,
    image: Annotated[str | None, typer.Option()] = None,
    flavor: Annotated[str | None, typer.Option()] = None,
    master_flavor: Annotated[str | None, typer.Option()] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; replaces the labels")] = None,
    public: Annotated[bool | None, typer.Option()] = None,
    hidden: Annotated[bool | None, typer.Option()] = None,
) -> None:
    """Change a template. While clusters refer to it, only its name and its visibility can change."""
    with failures_as_words():
        values = {
            "name": name,
            "image_id": image,
            "flavor_id": flavor,
            "master_flavor_id": master_flavor,
            "labels": json.dumps(pairs(label, "--label")) if label else None,
            "public": None if public is None else str(public),
            "hidden": None if hidden is None else str(hidden),
        }
        changed = options(context).api().patch(f"/v1/clustertemplates/{template}", replaced(values))
        show_one(changed, options(context).format)


@app.command()
def delete(context: typer.Context, template: Name) -> None:
    """Delete a template that no cluster refers to."""
    with failures_as_words():
        options(context).api().delete(f"/v1/clustertemplates/{template}")
        print(f"Template {template} was deleted.")
