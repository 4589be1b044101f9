"""Measures the time from an accepted POST /v1/clusters to the first stack creation in Heat.

Clusters of one master and one worker are created sequentially on a warm service; each is deleted before the next. The
first one is reported separately, because it includes the service user's role and token in the project.
"""

from __future__ import annotations

import time

import asyncpg

from benchmarks.client import user_of
from benchmarks.measure import Figure, p50_p99
from sandbox.run import Sandbox, running_sandbox
from shared.cloud.names import base_stack

BUDGET_MS = 50.0


async def run(*, creates: int = 50) -> list[Figure]:
    """Measure on a new sandbox.

    Args:
        creates: number of creates on the warm service.
    """
    async with running_sandbox() as sandbox:
        return await measure(sandbox, creates=creates)


async def measure(sandbox: Sandbox, *, creates: int) -> list[Figure]:
    """Measure on a sandbox that has no clusters."""
    from_commit: list[float] = []
    from_answer: list[float] = []
    post: list[float] = []
    database = await asyncpg.connect(sandbox.database_url)
    async with user_of(sandbox) as user:
        template = await user.make_template()
        for number in range(creates + 1):
            asked = time.time()
            cluster = await user.create(template, f"c{number}")
            answered = time.time()
            posted = await user.stack_post(base_stack(cluster))
            accepted = await database.fetchval("SELECT created_at FROM operations WHERE cluster_id = $1", cluster)
            from_commit.append(posted - accepted.timestamp())
            from_answer.append(posted - answered)
            post.append(answered - asked)
            await user.delete(cluster)
            await user.wait_gone()
    await database.close()
    return [
        Figure(
            "first create in a project", from_commit[0] * 1000, "ms", note="includes role and token of the service user"
        ),
        *p50_p99("operation stored -> Heat's first POST", from_commit[1:], p50=BUDGET_MS),
        *p50_p99("202 received -> Heat's first POST", from_answer[1:]),
        *p50_p99("the POST itself, with preflight", post[1:]),
    ]
