"""The shared list of stacks: one call for many, and never an answer older than a known change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.cloud.stack_list import StackList
from shared.cloud.types import Stack


class SlowHeat:
    """Answers a list with what it had when it was asked, once the test lets it."""

    def __init__(self) -> None:
        self.stacks: list[Stack] = []
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def for_project(self, _project: str) -> SlowHeat:
        return self

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        self.asked += 1
        found = list(self.stacks)
        await self.gate.wait()
        return found


def stack(name: str) -> Stack:
    return Stack(f"id of {name}", name, "CREATE_COMPLETE")


async def during_a_call(heat: SlowHeat, stacks: StackList, change: Callable[[], None]) -> set[str]:
    """Names in the answer to one who asks after a change that came while a list call was under way."""
    heat.gate.clear()
    first = asyncio.create_task(stacks.by_name("p"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heat.asked == 1
    change()
    later = [asyncio.create_task(stacks.by_name("p")) for _ in range(10)]
    await asyncio.sleep(0)
    heat.gate.set()
    await first
    (answer, *others) = await asyncio.gather(*later)
    assert all(other == answer for other in others)
    return set(answer)


async def test_a_change_during_the_call_is_seen_by_who_asks_after_it() -> None:
    heat = SlowHeat()
    stacks = StackList(heat, fresh_seconds=60)  # type: ignore[arg-type]
    heat.stacks = [stack("a")]

    def deleted() -> None:
        heat.stacks = []
        stacks.expire("p")

    assert await during_a_call(heat, stacks, deleted) == set()
    assert heat.asked == 2, "the ten share one call"
    await stacks.by_name("p")
    assert heat.asked == 2


async def test_a_stack_made_here_is_in_an_answer_asked_for_before() -> None:
    heat = SlowHeat()
    stacks = StackList(heat, fresh_seconds=60)  # type: ignore[arg-type]
    assert await during_a_call(heat, stacks, lambda: stacks.add("p", stack("b"))) == {"b"}
    assert heat.asked == 1
    stacks.expire("p")
    assert await stacks.by_name("p") == {}, "gone since"
