"""Waking those who wait: nothing that happens between looking and sleeping is missed."""

from __future__ import annotations

import asyncio
from typing import Any

from services.api.nodes.command_watch import CommandWatch
from services.api.wakeups import Wakeups, happens
from shared.operations.node_commands import CHANNEL


def no_database() -> Any:
    return None


async def test_a_change_while_looking_is_not_missed() -> None:
    wakeups = Wakeups(no_database())
    change = wakeups.expect("c")
    wakeups.wake("c")
    assert await happens(change, 10)
    assert wakeups.expect("c") is not change
    assert not await happens(wakeups.expect("c"), 0.001)
    wakeups.wake("other")
    assert not wakeups.expect("c").is_set()


class Commands:
    """The nodes that have commands, and how often somebody asked."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.asked = 0

    async def rows(self, _sql: str) -> list[dict[str, str]]:
        self.asked += 1
        return [{"node_id": node} for node in self.nodes]


async def test_one_question_for_a_thousand_agents() -> None:
    commands: Any = Commands()
    wakeups = Wakeups(no_database())
    watch = CommandWatch(commands, wakeups)
    watch.start()
    waiting = {f"n{number}": watch.expect(f"n{number}") for number in range(1000)}
    await asyncio.sleep(0)
    commands.nodes = ["n7", "unknown"]
    wakeups.wake(CHANNEL)
    assert await happens(waiting["n7"], 10)
    assert commands.asked == 1
    assert sum(event.is_set() for event in waiting.values()) == 1
    watch.forget("n8", waiting["n8"])
    watch.forget("n9", asyncio.Event())
    watch.release()
    assert (waiting["n8"].is_set(), waiting["n9"].is_set()) == (False, True)
    await watch.stop()
