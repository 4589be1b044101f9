"""The `jeroboam` command: the client for users, the services for operators, and the sandbox."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import (
    cluster_changes,
    clusters,
    dead_letters,
    demo,
    driver_new,
    drivers,
    keys,
    nodegroups,
    orphans,
    prometheus,
    services,
    templates,
    webhooks,
    work,
)
from cli.import_magnum import import_magnum
from cli.output import Format
from cli.state import Options

app = typer.Typer(
    no_args_is_help=True,
    help="Container clusters as a service for OpenStack.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for change in (
    cluster_changes.upgrade,
    cluster_changes.update,
    cluster_changes.rotate_ca,
    cluster_changes.rotate_credentials,
):
    clusters.app.command()(change)
app.add_typer(clusters.app, name="cluster")
app.add_typer(nodegroups.app, name="nodegroup")
app.add_typer(templates.app, name="template")
drivers.app.command()(driver_new.new)
app.add_typer(drivers.app, name="driver")
app.add_typer(work.operations, name="operation")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(prometheus.app, name="prometheus")
app.add_typer(dead_letters.app, name="dead-letter")
app.add_typer(orphans.app, name="orphans")
app.add_typer(keys.app, name="keys")
app.command()(work.events)
app.command()(services.run)
app.command()(services.migrate)
app.command()(import_magnum)
app.command()(services.sandbox)
app.command()(demo.demo)


@app.callback()
def main(
    context: typer.Context,
    os_cloud: Annotated[
        str | None, typer.Option(help="name of a cloud in clouds.yaml (default: OS_CLOUD or OS_*)")
    ] = None,
    os_region_name: Annotated[str | None, typer.Option(envvar="OS_REGION_NAME")] = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of the API; overrides the service catalogue")] = None,
    fmt: Annotated[Format, typer.Option("--format", "-f", help="output format")] = Format.TABLE,
) -> None:
    context.obj = Options(os_cloud, os_region_name, endpoint, fmt)
