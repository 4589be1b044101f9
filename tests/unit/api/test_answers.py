"""The cache of the cloud's answers: age, single flight, bounds, and what is not kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.api.preflight.answers import Answer, Answers
from shared.domain.errors import PermanentError, TemporaryError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Cloud:
    """Counts how often it is asked; answers when `gate` is open."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else f"answer {self.asked}"
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers(3, clock)


async def test_an_answer_is_kept_for_its_time(answers: Answers, clock: Clock) -> None:
    cloud = Cloud()
    assert await answers.get("key", cloud, seconds=60) == Answer("answer 1", 1000)
    clock.now += 59.9
    assert await answers.get("key", cloud, seconds=60) == Answer("answer 1", 1000)
    assert await answers.get("key", cloud, seconds=30) == Answer("answer 2", 1059.9)
    clock.now += 60
    assert await answers.get("key", cloud, seconds=60) == Answer("answer 3", clock.now)
    assert await answers.get("other", cloud, seconds=60) == Answer("answer 4", clock.now)
    assert await answers.get("key", cloud, seconds=0) == Answer("answer 5", clock.now)


async def test_a_caller_may_ask_for_an_answer_of_now(answers: Answers, clock: Clock) -> None:
    cloud = Cloud()
    await answers.get("key", cloud, seconds=60)
    clock.now += 1
    began = clock.now
    clock.now += 1
    again = await answers.get("key", cloud, seconds=60, since=began)
    assert again == Answer("answer 2", 1002)
    assert await answers.get("key", cloud, seconds=60, since=began) == again
    assert await answers.get("key", cloud, seconds=60) == again


@pytest.mark.parametrize("nothing", [None, [], {}])
async def test_not_found_is_not_kept_and_replaces_what_was_found(
    answers: Answers, clock: Clock, nothing: object
) -> None:
    cloud = Cloud()
    cloud.answers = [nothing, "made", nothing]
    assert (await answers.get("key", cloud, seconds=60)).value == nothing
    assert (await answers.get("key", cloud, seconds=60)).value == "made"
    clock.now += 1
    assert (await answers.get("key", cloud, seconds=60, since=clock.now)).value == nothing
    assert (await answers.get("key", cloud, seconds=60)).value == "answer 4"


async def test_errors_are_not_kept(answers: Answers) -> None:
    cloud = Cloud()
    cloud.answers = [TemporaryError("busy"), "well"]
    with pytest.raises(TemporaryError):
        await answers.get("key", cloud, seconds=60)
    assert (await answers.get("key", cloud, seconds=60)).value == "well"


async def test_concurrent_callers_share_one_request(answers: Answers) -> None:
    cloud = Cloud()
    cloud.gate.clear()
    callers = [asyncio.create_task(answers.get("key", cloud, seconds=60)) for _ in range(50)]
    await asyncio.sleep(0)
    callers[0].cancel()
    callers[7].cancel()
    await asyncio.sleep(0)
    cloud.gate.set()
    got = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in (got[0], got[7])] == [asyncio.CancelledError] * 2
    assert {each.value for each in got if isinstance(each, Answer)} == {"answer 1"}
    assert cloud.asked == 1


async def test_the_answer_comes_also_when_all_callers_are_gone(answers: Answers) -> None:
    cloud = Cloud()
    cloud.gate.clear()
    caller = asyncio.create_task(answers.get("key", cloud, seconds=60))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    cloud.gate.set()
    assert (await answers.get("key", cloud, seconds=60)).value == "answer 1"


async def test_a_request_that_began_earlier_is_not_an_answer_of_now(answers: Answers, clock: Clock) -> None:
    cloud = Cloud()
    cloud.gate.clear()
    early = asyncio.create_task(answers.get("key", cloud, seconds=60))
    await asyncio.sleep(0)
    clock.now += 1
    now = [asyncio.create_task(answers.get("key", cloud, seconds=60, since=clock.now)) for _ in range(2)]
    await asyncio.sleep(0)
    cloud.gate.set()
    assert [each.value for each in await asyncio.gather(early, *now)] == ["answer 1", "answer 2", "answer 2"]
    assert (await answers.get("key", cloud, seconds=60)).value == "answer 2"


async def test_one_callers_failure_is_not_anothers(answers: Answers) -> None:
    """The token of the caller who asks may be the reason."""
    revoked, good = Cloud(), Cloud()
    revoked.answers = [PermanentError("401")]
    revoked.gate.clear()
    first = asyncio.create_task(answers.get("key", revoked, seconds=60))
    await asyncio.sleep(0)
    others = [asyncio.create_task(answers.get("key", good, seconds=60)) for _ in range(10)]
    await asyncio.sleep(0)
    revoked.gate.set()
    assert {each.value for each in await asyncio.gather(*others)} == {"answer 1"}
    assert good.asked == 1
    with pytest.raises(PermanentError):
        await first


async def test_many_callers_of_a_cloud_that_fails_are_few_requests(answers: Answers) -> None:
    cloud = Cloud()
    cloud.answers = [TemporaryError("down") for _ in range(100)]
    got = await asyncio.gather(*(answers.get("key", cloud, seconds=60) for _ in range(100)), return_exceptions=True)
    assert {type(each) for each in got} == {TemporaryError}
    assert cloud.asked <= 3


async def test_the_least_recently_used_goes_first(answers: Answers) -> None:
    cloud = Cloud()
    for key in "abc":
        await answers.get(key, cloud, seconds=60)
    await answers.get("a", cloud, seconds=60)
    await answers.get("d", cloud, seconds=60)
    assert (await answers.get("a", cloud, seconds=60)).value == "answer 1"
    assert (await answers.get("b", cloud, seconds=60)).value == "answer 5"


async def test_requests_end_with_the_process(answers: Answers) -> None:
    cloud = Cloud()
    cloud.gate.clear()
    caller = asyncio.create_task(answers.get("key", cloud, seconds=60))
    await asyncio.sleep(0)
    await answers.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
