"""`jeroboam keys ...`: commands for operators. They use JEROBOAM_DATABASE_URL and JEROBOAM_SECRET_KEYS."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import typer

from cli.output import show_rows
from cli.services import operators_database, read_settings
from cli.state import failures_as_words, options

if TYPE_CHECKING:
    from shared.pki.sealing import Sealer
    from shared.pki.stored_keys import Resealed

app = typer.Typer(no_args_is_help=True, help="Keys that encrypt the secrets in the database.")

COLUMNS = ("key", "state", "values", "of")


@app.command("new")
def new() -> None:
    """Print a new key. Put it first in JEROBOAM_SECRET_KEYS of all processes, then run `jeroboam keys reencrypt`."""
    from shared.pki.sealing import new_key

    print(new_key())


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List keys by ID, and the number of values that need each. The exit status is 1 if a key is missing."""
    with failures_as_words():
        rows = asyncio.run(_rows())
        show_rows(rows, COLUMNS, options(context).format)
    if any(row["state"] == "missing" for row in rows):
        raise typer.Exit(1)


@app.command("reencrypt")
def reencrypt() -> None:
    """Encrypt all values again with the first key. The exit status is 1 if a value cannot be decrypted."""
    with failures_as_words():
        result = asyncio.run(_reseal())
    for name, number in result.done.items():
        print(f"{name}: {number} encrypted with the first key")
    if not result.done and not result.unreadable:
        print("all values are encrypted with the first key; the other keys can be removed from the settings")
    if result.unreadable:
        print(f"jeroboam: {result.unreadable} values cannot be decrypted:", file=sys.stderr)
        for reason in result.reasons:
            print(f"  {reason}", file=sys.stderr)
        raise typer.Exit(1)


def _sealer() -> Sealer:
    from shared.pki.sealing import Sealer

    return Sealer(read_settings().secret_keys)


async def _rows() -> list[dict[str, Any]]:
    from shared.pki.stored_keys import keys_in_use

    known = _sealer().key_ids
    async with operators_database() as database, database.transaction() as session:
        used = await keys_in_use(session)
    return [
        {
            "key": key,
            "state": _state(known, key, used=key in used),
            "values": sum(used.get(key, {}).values()),
            "of": ", ".join(sorted(used.get(key, {}))),
        }
        for key in [*known, *sorted(used.keys() - set(known))]
    ]


def _state(known: list[str], key: str, *, used: bool) -> str:
    if key not in known:
        return "missing"
    if key == known[0]:
        return "encrypts"
    return "decrypts" if used else "can be removed"


async def _reseal() -> Resealed:
    from shared.pki.stored_keys import reseal

    async with operators_database() as database:
        return await reseal(database, _sealer())
