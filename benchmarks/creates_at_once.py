"""Measures concurrent creates on the simulated cloud: duration, CPU time, and Jeroboam's share of a create.

Clusters of one master and two workers are requested concurrently. Jeroboam's share of a create is the time from its
acceptance to Heat's first POST, from the end of the base stack to the POST of the first shard, and from the last node's
report to the event on the stream. The rest is spent by Heat and the nodes. The end of the base stack is determined by
polling Heat's list, so the accuracy is `LOOK_SECONDS`, which count as Jeroboam's. The time that nodes wait for
responses is not measured separately.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import httpx

from benchmarks.api import NO_LIMIT
from benchmarks.client import WAIT_SECONDS, User, completions, issue_token, user_of
from benchmarks.measure import Figure, cpu_seconds, cpu_seconds_with_children
from sandbox.run import Sandbox, running_sandbox
from shared.cloud.names import base_stack

LOOK_SECONDS = 0.1
BUDGET_SHARE = 2.0
# An assumption for a projection: the time that Heat and the nodes of a real cloud need for a small cluster.
REAL_CREATE_SECONDS = 240.0
_TIMES = """
SELECT extract(epoch FROM o.created_at)::float8 AS accepted, extract(epoch FROM max(n.joined_at))::float8 AS joined
FROM operations o JOIN nodes n USING (cluster_id) WHERE cluster_id = $1 AND o.kind = 'create' GROUP BY o.created_at
"""


async def run(*, most: int = 50) -> list[Figure]:
    """Measure 1, 10 and 50 concurrent creates.

    Args:
        most: skip larger numbers.
    """
    figures: list[Figure] = []
    async with running_sandbox(extra_environment=NO_LIMIT) as sandbox, user_of(sandbox) as user:
        template = await user.make_template()
        # The first create in a project includes the service user's role and token.
        await _create(sandbox, user, template, 1)
        for count in (1, 10, 50):
            if count <= most:
                figures += await _create(sandbox, user, template, count)
    return figures


async def _create(sandbox: Sandbox, user: User, template: str, count: int) -> list[Figure]:
    before = _cpu(sandbox)
    async with completions(user) as stream, _base_ends(sandbox) as base_ends:
        started = time.time()
        clusters = await asyncio.gather(*(user.create(template, f"c{number}", nodes=2) for number in range(count)))
        accepted = time.time() - started
        done = {cluster: await stream.wait(cluster) for cluster in clusters}
    wall = max(done.values()) - started
    used = {name: value - before[name] for name, value in _cpu(sandbox).items()}
    ours = await _ours(sandbox, user, done, base_ends)
    await user.wait_complete(count)
    await asyncio.gather(*(user.delete(cluster) for cluster in clusters))
    await user.wait_gone()
    name = f"{count} at once"
    figures = [
        Figure(f"{name}: all requests accepted", accepted, "s"),
        Figure(f"{name}: all CREATE_COMPLETE", wall, "s"),
    ]
    figures += [Figure(f"{name}: CPU of {who}", seconds, "s") for who, seconds in used.items()]
    mean, total = statistics.mean(ours.values()), statistics.mean(done[each] - started for each in clusters)
    share = mean / (REAL_CREATE_SECONDS + mean) * 100
    figures += [
        Figure(f"{name}: Jeroboam's share", mean, "s", note=f"mean; of {total:.1f} s on the simulated cloud"),
        Figure(
            f"{name}: projected share of a {REAL_CREATE_SECONDS:.0f} s create",
            share,
            "%",
            BUDGET_SHARE if count == 1 else None,
            note="share / (share + assumed time of Heat and boot)",
        ),
    ]
    return figures


def _cpu(sandbox: Sandbox) -> dict[str, float]:
    found = {name: cpu_seconds(sandbox.children[name].pid) for name in ("provisioner", "api", "monitor", "cloud")}
    return found | {"postgres": cpu_seconds_with_children(sandbox.postgres.pid)}


async def _ours(
    sandbox: Sandbox, user: User, done: Mapping[str, float], base_ends: Mapping[str, float]
) -> dict[str, float]:
    """Cluster -> seconds of its create that were not spent by Heat or nodes."""
    posts = await user.stack_posts()
    database = await asyncpg.connect(sandbox.database_url)
    ours: dict[str, float] = {}
    for cluster, end in done.items():
        times = await database.fetchrow(_TIMES, cluster)
        base = base_stack(cluster)
        shards = [moment for name, moment in posts.items() if cluster in name and name != base]
        ours[cluster] = (
            (posts[base] - times["accepted"])
            + max(0.0, min(shards) - base_ends.get(base, posts[base]))
            + (end - times["joined"])
        )
    await database.close()
    return ours


@asynccontextmanager
async def _base_ends(sandbox: Sandbox) -> AsyncIterator[dict[str, float]]:
    """Stack name -> when Heat's list last showed it in progress; it ended within LOOK_SECONDS after that."""
    seen: dict[str, float] = {}
    token = await issue_token(sandbox.layout.auth_url)
    url = f"http://127.0.0.1:{sandbox.layout.cloud_port}"

    async def look() -> None:
        async with httpx.AsyncClient(headers={"X-Auth-Token": token}, trust_env=False, timeout=30) as client:
            project = (await client.get(f"{url}/identity/v3/auth/tokens", headers={"X-Subject-Token": token})).json()
            path = f"{url}/orchestration/v1/{project['token']['project']['id']}/stacks"
            until = time.time() + WAIT_SECONDS
            while time.time() < until:
                asked = time.time()
                answer = await client.get(path, params={"status": "IN_PROGRESS"})
                for row in answer.raise_for_status().json()["stacks"]:
                    if row["stack_status"] == "CREATE_IN_PROGRESS":
                        seen[row["stack_name"]] = asked
                await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()
        ended = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(ended, Exception):
            raise ended
