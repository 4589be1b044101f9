"""`jeroboam driver ...`"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import Format, show_one, show_rows
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="List and show drivers: what is installed, and what it supports.")

COLUMNS = ("name", "kind", "state", "distribution", "version", "coes", "distros", "server_types", "reason")
LABELS = ("name", "type", "default", "meaning")


@app.command("list")
def list_drivers(context: typer.Context) -> None:
    """List all drivers with their states, and the combinations that clusters can use."""
    with failures_as_words():
        show_rows(options(context).api().get("/v1/drivers")["drivers"], COLUMNS, options(context).format)


@app.command()
def show(
    context: typer.Context,
    driver: Annotated[str, typer.Argument(help="name of a driver, or of a combination such as swarm-ubuntu")],
) -> None:
    """Show what a driver supports, with every label, its type, default and meaning."""
    with failures_as_words():
        found = options(context).api().get(f"/v1/drivers/{driver}")
        if options(context).format is Format.JSON:
            show_one(found, Format.JSON)
            return
        show_one(found, Format.TABLE, [name for name in found if name != "labels"])
        if found["labels"]:
            show_rows(found["labels"], LABELS, Format.TABLE)
