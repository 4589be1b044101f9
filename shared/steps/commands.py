"""Sends commands to agents, waits for them and reads their results; all steps use it.

Rule: commands and their results are in `node_commands`, under ids derived from a scope (usually the operation's run)
and a key, so a crash at any point neither repeats nor loses a command. A command that is not answered within its limit
has failed, even if its agent answers later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import NodeAction
from shared.db.models import NodeCommand
from shared.domain.clock import utc_now
from shared.operations.node_commands import last_words, send_command
from shared.settings import Settings

# An agent's answer makes the operation due; this covers an answer that never arrives.
LOOK_EVERY = 30.0


class CommandState(Enum):
    SENT = auto()  # by this call
    PENDING = auto()  # sent before, and not answered
    SUCCEEDED = auto()
    FAILED = auto()
    TIMED_OUT = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """The state of one command.

    `reason` says why it failed or timed out, and is empty otherwise; `output` is what it printed; `results` is what its
    hook handed back as data.
    """

    command: str
    state: CommandState
    reason: str = ""
    output: str = ""
    results: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_pending(self) -> bool:
        return self.state in (CommandState.SENT, CommandState.PENDING)

    @property
    def succeeded(self) -> bool:
        return self.state is CommandState.SUCCEEDED

    @property
    def failure(self) -> str | None:
        """The reason with the command's name, where it failed or timed out."""
        if self.state is CommandState.FAILED:
            return f"{self.command} failed: {self.reason}"
        return f"{self.command} {self.reason}" if self.state is CommandState.TIMED_OUT else None

    def results_of(self, subject: str) -> dict[str, str]:
        """The results named `<subject>.<name>`, by that name."""
        prefix = f"{subject}."
        return {name.removeprefix(prefix): why for name, why in self.results.items() if name.startswith(prefix)}


def command_limit(settings: Settings) -> timedelta:
    """How long a command may take where its step has no reason for another limit."""
    return timedelta(minutes=settings.node_command_timeout_minutes)


async def give_commands(
    session: AsyncSession, scope: str, actions: Mapping[str, NodeAction], *, limit: timedelta
) -> dict[str, Answer]:
    """Send the commands that have not been sent, and return the state of all.

    Args:
        session: the caller's transaction, in which the cluster is locked.
        scope: within it a key is one command: the operation's `run_tag`, or its uuid for what is done once.
        actions: key -> what is to be done.
        limit: an answer that takes longer is a failure.
    """
    answers = await find_answers(session, scope, actions, limit=limit)
    for key, action in actions.items():
        if key not in answers:
            await send_command(session, action.node_id, action.command, command_id=_id(scope, key), args=action.args)
            answers[key] = Answer(action.command, CommandState.SENT)
    return answers


async def give_in_order(
    session: AsyncSession, scope: str, key: str, actions: Sequence[NodeAction], *, limit: timedelta
) -> list[Answer]:
    """Send each command after the one before it has succeeded; returns the answers so far, the last one maybe pending.

    Arguments as for `give_commands`; `key` distinguishes these commands from others of the scope.
    """
    answers: list[Answer] = []
    for number, action in enumerate(actions):
        name = f"{key} {number}"
        answers.append((await give_commands(session, scope, {name: action}, limit=limit))[name])
        if not answers[-1].succeeded:
            break
    return answers


async def find_answers(
    session: AsyncSession, scope: str, keys: Collection[str], *, limit: timedelta
) -> dict[str, Answer]:
    """The state of the commands that were sent under these keys; arguments as for `give_commands`."""
    ids = {_id(scope, key): key for key in keys}
    if not ids:
        return {}
    rows = await session.scalars(
        select(NodeCommand).where(NodeCommand.id.in_(ids)).execution_options(populate_existing=True)
    )
    return {ids[row.id]: _answer(row, limit) for row in rows}


def _answer(row: NodeCommand, limit: timedelta) -> Answer:
    if row.ok is None:
        if utc_now() - row.created_at <= limit:
            return Answer(row.name, CommandState.PENDING)
        seconds = int(limit.total_seconds())
        told = f"{seconds // 60} minutes" if seconds >= 60 else f"{seconds} seconds"
        return Answer(row.name, CommandState.TIMED_OUT, f"was not answered within {told}")
    output = row.output or ""
    if row.ok:
        return Answer(row.name, CommandState.SUCCEEDED, output=output, results=row.results)
    return Answer(
        row.name, CommandState.FAILED, last_words(output) or "no reason was given", output=output, results=row.results
    )


def _id(scope: str, key: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"{scope} {key}"))
