"""Processes a dependency graph with limited parallelism.

Rule: a node is processed when all its dependencies are done. After a failure, no further node is started, but running
ones continue, as in Heat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Set


async def walk(graph: Mapping[str, Set[str]], work: Callable[[str], Awaitable[bool]], parallelism: int) -> bool:
    """Process every node.

    Args:
        graph: node -> its dependencies; all are nodes of the graph, which has no cycles.
        work: processes one node; returns False if that failed.
        parallelism: number of nodes processed in parallel.

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
    """The graph with all edges reversed, for the order of deletion."""
    turned: dict[str, set[str]] = {node: set() for node in graph}
    for node, needs in graph.items():
        for need in needs:
            turned[need].add(node)
    return turned
