"""`jeroboam orphans ...`: commands for operators. They use the database of JEROBOAM_DATABASE_URL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.api import ApiError
from cli.output import show_rows
from cli.services import operators_database
from cli.state import failures_as_words, options

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

app = typer.Typer(no_args_is_help=True, help="List and remove resources in the cloud whose cluster was deleted.")

COLUMNS = ("kind", "id", "name", "project_id", "cluster_id", "found_at", "remove_at", "failure")
MOST = 10_000


@app.command("list")
def list_orphans(
    context: typer.Context, project: Annotated[str | None, typer.Option(help="only of this project, by ID")] = None
) -> None:
    """List what the last search of each project found."""
    with failures_as_words():
        show_rows(asyncio.run(_read(project)), COLUMNS, options(context).format)


@app.command("remove")
def remove_orphans(
    ids: Annotated[list[str] | None, typer.Argument(help="IDs of resources, as listed")] = None,
    cluster: Annotated[str | None, typer.Option(help="all of this cluster, by UUID")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all that are listed")] = False,
) -> None:
    """Have resources removed; the monitor does it within a minute."""
    with failures_as_words():
        if not ids and cluster is None and not everything:
            raise ApiError("name resources by their IDs, a cluster with --cluster, or --all")
        print(f"{asyncio.run(_mark(ids or [], cluster))} resources will be removed")


async def _read(project: str | None) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from shared.db.models import Orphan

    async with operators_database() as database, database.transaction() as session:
        query = select(Orphan).order_by(Orphan.project_id, Orphan.found_at, Orphan.item_id).limit(MOST)
        rows = await session.scalars(query if project is None else query.where(Orphan.project_id == project))
        return [{name: _shown(getattr(row, "item_id" if name == "id" else name)) for name in COLUMNS} for row in rows]


async def _mark(ids: list[str], cluster: str | None) -> int:
    """Mark rows for removal, all without a restriction, and have their projects searched now; returns their number."""
    from sqlalchemy import func, update

    from shared.db.models import Orphan, ProjectSweep

    wanted: list[ColumnElement[bool]] = []
    if ids:
        wanted.append(Orphan.item_id.in_(ids))
    if cluster is not None:
        wanted.append(Orphan.cluster_id == cluster)
    async with operators_database() as database, database.transaction() as session:
        marked = await session.execute(
            update(Orphan).where(*wanted).values(remove_at=func.now()).returning(Orphan.item_id, Orphan.project_id)
        )
        rows = marked.all()
        if absent := sorted(set(ids) - {row.item_id for row in rows}):
            raise ApiError(f"{absent[0]} is not listed")
        projects = {row.project_id for row in rows}
        await session.execute(
            update(ProjectSweep).where(ProjectSweep.project_id.in_(projects)).values(sweep_at=func.now())
        )
        return len(rows)


def _shown(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
