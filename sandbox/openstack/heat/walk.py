"""Work through a dependency graph, as much at a time as is allowed.

Rule: a node is worked on when all it needs is done; after a failure nothing new is begun, but what runs is let
run, as in Heat, whose other workers do not hear of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Set


async def walk(graph: Mapping[str, Set[str]], work: Callable[[str], Awaitable[bool]], parallelism: int) -> bool:
    """Work on every node.

    Args:
        graph: node -> the nodes it needs; all of them nodes of the graph, without a circle.
        work: does one node; False when it failed.
        parallelism: nodes worked on at the same time.

    Returns:
        whether all succeeded.
    """
    waiting = {node: len(needs) for node, needs in graph.items()}
    users: dict[str, list[str]] = {node: [] for node in graph}
    for node, needs in graph.items():
        for need in needs:
            users[need].append(node)
    ready = deque(node for node, count in waiting.items() if count == 0)
    running: dict[asyncio.Task[bool], str] = {}
    success = True

    async def do(node: str) -> bool:
        return await work(node)

    try:
        while ready or running:
            while ready and len(running) < parallelism:
                node = ready.popleft()
                running[asyncio.create_task(do(node))] = node
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                node = running.pop(task)
                if not task.result():
                    success = False
                    ready.clear()
                elif success:
                    for user in users[node]:
                        waiting[user] -= 1
                        if waiting[user] == 0:
                            ready.append(user)
    finally:
        for task in running:
            task.cancel()
    return success


def reversed_graph(graph: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """The same graph with every edge turned round: the order of deletion."""
    turned: dict[str, set[str]] = {node: set() for node in graph}
    for node, needs in graph.items():
        for need in needs:
            turned[need].add(node)
    return turned
