"""`jeroboam dead-letter ...`: commands for operators. They use the database of JEROBOAM_DATABASE_URL."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from cli.output import show_rows
from cli.services import operators_database
from cli.state import failures_as_words, options

app = typer.Typer(no_args_is_help=True, help="List and replay messages that no service could process.")

COLUMNS = ("id", "queue", "routing_key", "reason", "message_id", "created_at", "replayed_at")


@app.command("list")
def list_letters(context: typer.Context, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100) -> None:
    """List the newest dead letters."""
    from shared.events.dead_letters import list_dead_letters

    async def read() -> list[dict[str, Any]]:
        async with operators_database() as database, database.transaction() as session:
            letters = await list_dead_letters(session, limit=limit)
            return [{name: _shown(getattr(letter, name)) for name in COLUMNS} for letter in letters]

    with failures_as_words():
        show_rows(asyncio.run(read()), COLUMNS, options(context).format)


@app.command("replay")
def replay_letter(letter: Annotated[int, typer.Argument(help="ID of the dead letter")]) -> None:
    """Publish the event of a dead letter again, with the same ID."""
    from shared.events.dead_letters import replay

    async def run() -> str:
        async with operators_database() as database, database.transaction() as session:
            return await replay(session, letter)

    with failures_as_words():
        print(f"Event {asyncio.run(run())} will be published again")


def _shown(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
