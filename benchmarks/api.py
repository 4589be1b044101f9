"""Measures the API under load, compared with plain FastAPI with the same SQL in the same run.

Rounds alternate between the two, so that both run under the same conditions. The results are the CPU time of the server
process per request, and the ratio in each round. Writes are checked against the cloud, from the cache, before anything
is stored, so they are compared separately (`posts` measures them in detail): the POST of a template with only storing
it, and a cluster's `dry_run` (parse, check, query the cloud) with the complete POST. The provisioner is stopped for the
latter, so that only the API runs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx

from benchmarks.client import issue_token, lift_quotas, template_body, user_of
from benchmarks.http_load import RequestMaker, drive, request_bytes
from benchmarks.measure import Figure, cpu_seconds, p50_p99
from benchmarks.rows import fill
from sandbox.ports import free_port
from sandbox.processes import ChildProcess
from sandbox.run import Sandbox, running_sandbox

BUDGET_RATIO = 1.5
NO_LIMIT = {
    "api": {
        "JEROBOAM_MAX_CLUSTERS_PER_PROJECT": "1000000",
        "JEROBOAM_LIMITS__TEMPLATES_PER_PROJECT": "1000000",
    }
}
_START_SECONDS = 30.0


@dataclass(slots=True)
class Server:
    """A process under load, and its results: responses per second, CPU and wall seconds per response."""

    name: str
    port: int
    pid: int
    headers: dict[str, str]
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def round(
        self, make: RequestMaker, *, connections: int, seconds: float, expected: int, most: int | None = None
    ) -> None:
        before = cpu_seconds(self.pid)
        load = await drive(self.port, make, connections=connections, seconds=seconds, expected=expected, most=most)
        self.rates.append(load.rate)
        self.cpu.append((cpu_seconds(self.pid) - before) / len(load.seconds))
        self.seconds += load.seconds

    def fresh(self) -> Server:
        return Server(self.name, self.port, self.pid, self.headers)

    def figures(self, what: str) -> list[Figure]:
        return [
            Figure(f"{what}, {self.name}: rate", statistics.median(self.rates), "/s"),
            Figure(f"{what}, {self.name}: CPU", statistics.median(self.cpu) * 1e6, "us/request"),
            *p50_p99(f"{what}, {self.name}", self.seconds),
        ]


async def run(*, seconds: float = 4.0, rounds: int = 5, connections: int = 8, clusters: int = 60) -> list[Figure]:
    """Measure on a new sandbox.

    Args:
        seconds: duration of a round of one kind of request on one server.
        rounds: number of rounds, of which the median is reported.
        connections: number of concurrent connections.
        clusters: number of clusters created for the POST of a cluster.
    """
    async with running_sandbox(extra_environment=NO_LIMIT) as sandbox:
        return await measure(sandbox, seconds=seconds, rounds=rounds, connections=connections, clusters=clusters)


async def measure(sandbox: Sandbox, *, seconds: float, rounds: int, connections: int, clusters: int) -> list[Figure]:
    """Measure on a sandbox without clusters and without a limit for them; its provisioner is stopped."""
    token = await issue_token(sandbox.layout.auth_url)
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": "container-infra latest"}
    async with user_of(sandbox) as user:
        template = await user.make_template()
    database = await asyncpg.connect(sandbox.database_url)
    project = await database.fetchval("SELECT project_id FROM cluster_templates WHERE uuid = $1", template)
    await fill(database, project, 20)
    await database.execute("VACUUM ANALYZE")
    cluster = await database.fetchval("SELECT uuid FROM clusters ORDER BY id LIMIT 1")
    await database.close()
    api = Server("api", sandbox.layout.api_port, sandbox.children["api"].pid, headers)
    figures: list[Figure] = []
    async with ceiling_server(sandbox, project) as ceiling:
        for what, method, path, body, expected in (
            ("GET one", "GET", f"/v1/clusters/{cluster}", None, 200),
            ("list of 20", "GET", "/v1/clusters?limit=20", None, 200),
            ("POST template", "POST", "/v1/clustertemplates", template_body("posted"), 201),
        ):
            pair = api.fresh(), ceiling.fresh()
            for server in pair:
                request = request_bytes(method, path, server.headers, body)
                # Not counted: fills pools and caches.
                await server.fresh().round(
                    same(request), connections=connections, seconds=min(1.0, seconds), expected=expected
                )
            for _ in range(rounds):
                for server in pair:
                    request = request_bytes(method, path, server.headers, body)
                    await server.round(same(request), connections=connections, seconds=seconds, expected=expected)
            figures += _compared(what, method == "GET", *pair)
    await sandbox.children["provisioner"].stop()
    # Nothing is built, so what was accepted counts against quotas for a while.
    await lift_quotas(sandbox.layout.auth_url, project)
    return figures + await _posts(api.fresh(), template, connections, clusters)


def _compared(what: str, reads: bool, api: Server, ceiling: Server) -> list[Figure]:
    ratios = [mine / bare for mine, bare in zip(api.cpu, ceiling.cpu, strict=True)]
    spread = f"median of rounds, {min(ratios):.2f} to {max(ratios):.2f}"
    note = spread if reads else "the API also checks the template; the ceiling only stores"
    limit = BUDGET_RATIO if reads else None
    ratio = Figure(f"{what}: CPU, api / ceiling", statistics.median(ratios), "times", limit, note=note)
    return [*api.figures(what), *ceiling.figures(what), ratio]


async def _posts(api: Server, template: str, connections: int, clusters: int) -> list[Figure]:
    """The POST of a cluster, and its dry run, which is everything except the transaction."""
    body = {"name": "posted", "cluster_template_id": template, "master_count": 1, "node_count": 2}
    dry, whole = api.fresh(), api.fresh()
    for server, path, status in ((dry, "/v1/clusters?dry_run=true", 200), (whole, "/v1/clusters", 202)):
        make = same(request_bytes("POST", path, server.headers, body))
        await server.round(make, connections=connections, seconds=60, expected=status, most=clusters)
    one = api.fresh()
    make = same(request_bytes("POST", "/v1/clusters", one.headers, body))
    await one.round(make, connections=1, seconds=60, expected=202, most=max(2, clusters // 3))
    return [
        *dry.figures("POST cluster, dry run: validation and the cloud"),
        *whole.figures("POST cluster"),
        *p50_p99("POST cluster, one at a time", one.seconds),
    ]


def same(request: bytes) -> RequestMaker:
    """Send one request again and again."""
    return lambda _number: request


@asynccontextmanager
async def ceiling_server(sandbox: Sandbox, project: str) -> AsyncIterator[Server]:
    """A process of `benchmarks.ceiling` on the database of a sandbox."""
    port = free_port()
    arguments = ["--port", str(port), "--database", sandbox.database_url, "--project", project]
    child = ChildProcess(
        "ceiling", "benchmarks.ceiling", arguments, {}, sandbox.layout.directory / "logs" / "ceiling.log", restart=False
    )
    child.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while True:
                try:
                    (await client.get(f"http://127.0.0.1:{port}/v1/clusters")).raise_for_status()
                    break
                except httpx.HTTPError:
                    if not child.alive or time.monotonic() > deadline:
                        raise RuntimeError(f"the ceiling did not start: {child.log_tail()}") from None
                    await asyncio.sleep(0.1)
        yield Server("ceiling", port, child.pid, {})
    finally:
        await child.stop()
