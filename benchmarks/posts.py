"""Measures POST /v1/clusters: rate, CPU of the API and of the cloud, and requests to the cloud per POST.

Rounds alternate between the API and plain FastAPI that only stores: the same transaction with rows that are ready,
without tokens, policy, checks and publishing of events. The API runs with a warm cache, and in another sandbox without
a cache. All requests create clusters of one master and two workers with a key pair; the services that would build them
are stopped, and quotas are unlimited. The CPU of PostgreSQL is not included.
"""

from __future__ import annotations

import asyncio
import statistics

import asyncpg
import httpx

from benchmarks.api import NO_LIMIT, Server, ceiling_server, same
from benchmarks.client import issue_token, lift_quotas, user_of
from benchmarks.http_load import request_bytes
from benchmarks.measure import Figure, cpu_seconds, p50_p99
from sandbox.run import Sandbox, running_sandbox

BUDGET_MS = 8.0
NO_CACHE = {"JEROBOAM_PREFLIGHT_CACHE_SECONDS": "0", "JEROBOAM_PREFLIGHT_QUOTA_SECONDS": "0"}


async def run(*, clusters: int = 200, rounds: int = 5, connections: int = 8) -> list[Figure]:
    """Measure on new sandboxes.

    Args:
        clusters: number of clusters created in a round.
        rounds: number of rounds, of which the median is reported.
        connections: number of concurrent connections.
    """
    uncached = {"api": NO_LIMIT["api"] | NO_CACHE}
    async with running_sandbox(extra_environment=uncached) as sandbox:
        cold = await measure(sandbox, "no cache", clusters=clusters, rounds=rounds, connections=connections)
    async with running_sandbox(extra_environment=NO_LIMIT) as sandbox:
        warm = await measure(
            sandbox, "warm cache", clusters=clusters, rounds=rounds, connections=connections, budget=BUDGET_MS
        )
    return cold + warm


async def measure(
    sandbox: Sandbox, name: str, *, clusters: int, rounds: int, connections: int, budget: float | None = None
) -> list[Figure]:
    """Measure on a sandbox without clusters and without a limit for them; its services are stopped.

    Args:
        name: of the API's configuration, for the figures.
        budget: milliseconds of the API's CPU per POST.
    """
    layout = sandbox.layout
    headers = {"X-Auth-Token": await issue_token(layout.auth_url), "OpenStack-API-Version": "container-infra latest"}
    async with user_of(sandbox) as user:
        template = await user.make_template()
    database = await asyncpg.connect(sandbox.database_url)
    project = await database.fetchval("SELECT project_id FROM cluster_templates WHERE uuid = $1", template)
    await database.close()
    await lift_quotas(layout.auth_url, project)
    await asyncio.gather(*(sandbox.children[service].stop() for service in layout.service_ports))
    body = {"name": "posted", "cluster_template_id": template, "master_count": 1, "node_count": 2, "keypair": "lab"}
    api = Server(name, layout.api_port, sandbox.children["api"].pid, headers)
    cloud, cloud_url = sandbox.children["cloud"].pid, layout.auth_url.removesuffix("/identity/v3")
    asked, cloud_cpu = [], []
    async with ceiling_server(sandbox, project) as bare, httpx.AsyncClient(trust_env=False, timeout=30) as control:

        async def post(server: Server, most: int) -> None:
            make = same(request_bytes("POST", "/v1/clusters", server.headers, body))
            await server.round(make, connections=connections, seconds=60, expected=202, most=most)

        for server in (api.fresh(), bare.fresh()):
            await post(server, max(20, connections))  # not counted: fills pools and caches
        for _ in range(rounds):
            await control.delete(f"{cloud_url}/requests")
            before, done = cpu_seconds(cloud), len(api.seconds)
            await post(api, clusters)
            number = len(api.seconds) - done
            cloud_cpu.append((cpu_seconds(cloud) - before) / number)
            asked.append((await control.get(f"{cloud_url}/requests")).json()["total"] / number)
            await post(bare, clusters)
    ratios = [mine / other for mine, other in zip(api.cpu, bare.cpu, strict=True)]
    return [
        Figure(f"POST cluster, {name}: rate", statistics.median(api.rates), "/s"),
        *p50_p99(f"POST cluster, {name}", api.seconds),
        Figure(f"POST cluster, {name}: CPU of the API", statistics.median(api.cpu) * 1e3, "ms/request", budget),
        Figure(f"POST cluster, {name}: CPU of the cloud", statistics.median(cloud_cpu) * 1e3, "ms/request"),
        Figure(f"POST cluster, {name}: requests to the cloud", statistics.median(asked), "/request"),
        *bare.figures(f"POST cluster, beside {name}"),
        Figure(
            f"POST cluster: CPU, {name} / ceiling",
            statistics.median(ratios),
            "times",
            note=f"median of rounds, {min(ratios):.2f} to {max(ratios):.2f}",
        ),
    ]
