"""Commands for nodes' agents: a row each, and a notification that ends the agent's long poll early."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.engine import notify
from shared.db.models import NodeCommand

CHANNEL = "jeroboam_commands"
BOOTSTRAP = "bootstrap"  # the command that is the agent's own

# What a command may hand back as data: docs/agent-protocol.md.
MOST_RESULTS = 100
RESULT_NAME = re.compile(r"[A-Za-z0-9._/-]{1,200}")
RESULT_VALUE = re.compile(r"[ -~]{0,1000}")

_LAST_WORDS = 1000  # bytes
_ERROR = re.compile(r"\[ERROR|\b(?:error|fatal|failed)\b", re.IGNORECASE)
_LAST_LINE = 200  # characters
# Escape sequences of terminals: with parameters (colours, cursor), with text (titles), and of two characters.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SPOKEN = re.compile(
    r"^not (?P<what>drained|restarted) (?P<name>[^:\r\n]+): (?P<why>.*)$"
    r"|^not_(?P<what2>drained|restarted)\.(?P<name2>[^=\r\n]+)=(?P<why2>.*)$",
    re.MULTILINE,
)


async def send_command(
    session: AsyncSession, node_id: str, name: str, *, command_id: str, args: Mapping[str, Any] | None = None
) -> bool:
    """Queue one command for a node.

    Args:
        name: an action of the node's driver, e.g. `bootstrap`.
        command_id: the same id is the same command, however often it is sent.

    Returns:
        Whether it is new.
    """
    made = await session.execute(
        insert(NodeCommand)
        .values(id=command_id, node_id=node_id, name=name, args=dict(args or {}))
        .on_conflict_do_nothing()
        .returning(NodeCommand.id)
    )
    if made.first() is None:
        return False
    await notify(session, CHANNEL)
    return True


async def bootstrap_is_wanted(session: AsyncSession, node_id: str) -> bool:
    """Whether a command that has not ended has the node fetch its bootstrap."""
    found = await session.scalar(
        select(NodeCommand.id)
        .where(NodeCommand.node_id == node_id, NodeCommand.name == BOOTSTRAP, NodeCommand.finished_at.is_(None))
        .limit(1)
    )
    return found is not None


def is_result(name: str, value: str) -> bool:
    """Whether `name` and `value` are of the form a command may hand back: a short name, one printable line."""
    return RESULT_NAME.fullmatch(name) is not None and RESULT_VALUE.fullmatch(value) is not None


def spoken_results(output: str) -> dict[str, str]:
    """Results of a command that were said in its output, because its agent or its hook is of the version before.

    A hook of that version prints `not drained <name>: <why>` and `not restarted <name>: <why>`. An agent of that
    version gives a hook no file for its results, and the hook then prints them as `<name>=<value>`. An agent stays as
    it was when its node was made, so this is needed for as long as there are nodes made by that version.
    """
    found: dict[str, str] = {}
    for line in _SPOKEN.finditer(output):
        name = f"not_{line['what'] or line['what2']}.{line['name'] or line['name2']}"
        value = (line["why"] or line["why2"] or "").strip()
        if is_result(name, value) and len(found) < MOST_RESULTS:
            found[name] = value
    return found


def last_words(output: str | None) -> str:
    """Why a command failed, from its output: at most 1000 bytes, on one line, without control sequences.

    Lines that report an error are preferred: tools such as installers end with advice, not with the cause. Without such
    lines it is the end of the output.
    """
    lines = _plain(output).splitlines()
    errors = [line for line in lines if _ERROR.search(line)]
    line = " ".join(" ".join(errors or lines).split())
    return line.encode()[-_LAST_WORDS:].decode(errors="ignore")


def last_line(output: str | None) -> str:
    """The last line of what a command printed that is not blank, at most 200 characters of it; empty without one."""
    lines = [line.strip() for line in _plain(output).splitlines() if line.strip()]
    return lines[-1][:_LAST_LINE] if lines else ""


def _plain(output: str | None) -> str:
    # The whitespace among the controls, carriage returns too, stays: it separates words and lines.
    return _CONTROLS.sub("", _ESCAPES.sub("", output or ""))
