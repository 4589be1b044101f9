"""What must be true in the end, read from the database and from the cloud."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg

from sandbox.run import Sandbox
from tests.support.cloud_view import cloud_of, left_behind

QUIET_SECONDS = 90.0
# Of memory: the highest of the last third of a run against the highest of the first, and an allowance, MiB.
GROWTH, ALLOWANCE = 1.25, 40

_OPEN = "SELECT kind || ' of ' || cluster_id || ': ' || coalesce(step, '-') FROM operations WHERE finished_at IS NULL"
_UNPUBLISHED = "SELECT type || ' ' || id FROM events WHERE published_at IS NULL"
_GAPS = """
SELECT cluster_id FROM events WHERE cluster_id IS NOT NULL
GROUP BY cluster_id HAVING min(sequence) <> 1 OR max(sequence) <> count(*)
"""
_ENDED_TWICE = """
SELECT operation_id || ' ' || count(*) FROM events
WHERE type ~ '^(cluster|nodegroup)\\.[a-z_]+\\.(completed|failed|cancelled)\\.v1$' AND operation_id IS NOT NULL
GROUP BY operation_id HAVING count(*) > 1
"""
_DEAD_LETTERS = "SELECT queue || ' ' || reason FROM dead_letters"
_ROWS = "SELECT uuid FROM clusters"


async def problems(sandbox: Sandbox, clusters: Sequence[str]) -> list[str]:
    """Everything that is not as it must be, once nothing is under way any more.

    Args:
        clusters: all that were created; they have been deleted.
    """
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        deadline = time.monotonic() + QUIET_SECONDS
        while await connection.fetchval(f"SELECT EXISTS ({_OPEN} UNION ALL {_UNPUBLISHED})"):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        checks = {
            "open operation": _OPEN,
            "event not published": _UNPUBLISHED,
            "gap in the events of cluster": _GAPS,
            "operation with two ends": _ENDED_TWICE,
            "dead letter": _DEAD_LETTERS,
            "cluster left": _ROWS,
        }
        found = [
            f"{name}: {row[0]}" for name, query in checks.items() for row in await connection.fetch(f"{query} LIMIT 20")
        ]
        projects = [row[0] for row in await connection.fetch("SELECT DISTINCT project_id FROM events")]
    finally:
        await connection.close()
    async with cloud_of(sandbox.layout) as clouds:
        for project in projects:
            for cluster in clusters:
                found += [f"in the cloud: {item}" for item in await left_behind(clouds, project, cluster)]
    return found


def growing(memory: Mapping[str, Sequence[int]]) -> list[str]:
    """The processes that use more memory in the last third of a run than in the first."""
    found = []
    for name, samples in memory.items():
        third = len(samples) // 3
        if third:
            first, last = max(samples[:third]), max(samples[-third:])
            if last > first * GROWTH + ALLOWANCE:
                found.append(f"{name}: {first} MiB, then {last} MiB")
    return found
