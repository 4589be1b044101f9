"""Commands given to agents by steps: given once however often it is asked, and over when answered or too late."""

from __future__ import annotations

from datetime import timedelta
from uuid import NAMESPACE_OID, uuid5

import pytest
from sqlalchemy import func, select, update

from jeroboam.driver import NodeAction
from shared.db.engine import Database
from shared.db.models import Node, NodeCommand
from shared.steps.commands import Answer, CommandState, find_answers, give_commands
from tests.support.scaler_stage import Stage, make_stage

LIMIT = timedelta(minutes=70)


@pytest.fixture
async def stage(database: Database, database_url: str) -> Stage:
    return await make_stage(database, database_url)


async def give(stage: Stage, *keys: str, scope: str = "run 1", limit: timedelta = LIMIT) -> dict[str, Answer]:
    async with stage.context.database.transaction() as session:
        node = (await session.scalars(select(Node.uuid).order_by(Node.uuid).limit(1))).one()
        actions = {key: NodeAction(node, "drain", {"node": key}) for key in keys}
        return await give_commands(session, scope, actions, limit=limit)


async def test_a_command_is_sent_once_in_a_scope(stage: Stage) -> None:
    assert {key: answer.state for key, answer in (await give(stage, "a")).items()} == {"a": CommandState.SENT}
    again = await give(stage, "a", "b")
    assert {key: answer.state for key, answer in again.items()} == {"a": CommandState.PENDING, "b": CommandState.SENT}
    await give(stage, "a", scope="run 2")
    ids = {command.id for command in await stage.commands()}
    assert ids == {str(uuid5(NAMESPACE_OID, name)) for name in ("run 1 a", "run 1 b", "run 2 a")}


async def test_looking_sends_nothing(stage: Stage) -> None:
    async with stage.context.database.transaction() as session:
        assert await find_answers(session, "run 1", ["a", "b"], limit=LIMIT) == {}
    assert await stage.commands() == []


async def test_an_answer_is_taken_in_with_its_results(stage: Stage) -> None:
    await give(stage, "a")
    await stage.answer(results={"not_drained.w-1": "a pod stays", "not_drained_at_all": "x"})
    answer = (await give(stage, "a"))["a"]
    assert (answer.succeeded, answer.is_pending, answer.failure, answer.reason) == (True, False, None, "")
    assert answer.results_of("not_drained") == {"w-1": "a pod stays"}


@pytest.mark.parametrize(
    ("output", "reason"),
    [("== step\n\x1b[31mno way\x1b[0m\r\n", "== step no way"), ("", "no reason was given")],
)
async def test_a_failure_says_why(stage: Stage, output: str, reason: str) -> None:
    await give(stage, "a")
    await stage.answer(ok=False, output=output)
    answer = (await give(stage, "a"))["a"]
    assert (answer.state, answer.reason, answer.failure) == (CommandState.FAILED, reason, f"drain failed: {reason}")


@pytest.mark.parametrize(
    ("limit", "told"), [(timedelta(minutes=70), "70 minutes"), (timedelta(seconds=45), "45 seconds")]
)
async def test_no_answer_within_the_limit_is_a_failure(stage: Stage, limit: timedelta, told: str) -> None:
    await give(stage, "a", limit=limit)
    async with stage.context.database.transaction() as session:
        await session.execute(update(NodeCommand).values(created_at=func.now() - timedelta(minutes=71)))
    answer = (await give(stage, "a", limit=limit))["a"]
    assert answer.state is CommandState.TIMED_OUT
    assert answer.failure == f"drain was not answered within {told}"
    await stage.answer()
    assert (await give(stage, "a", limit=limit))["a"].succeeded, "an answer that came before it was looked for counts"
