"""Measures deliveries to webhooks: deliveries per second of CPU, and what one hanging receiver of 100 costs the others.

The events of each round are committed before the notifier starts, so that every webhook has a backlog. The notifier
runs in the benchmark's process, whose CPU time is measured; PostgreSQL and the receivers are other processes.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pydantic import SecretStr

from benchmarks.measure import Figure, percentile
from sandbox.ports import free_port
from sandbox.postgres import temporary_postgres
from services.notifier.service import Notifier
from shared.cloud.settings import CloudSettings
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.domain.ids import new_id
from shared.pki.sealing import Sealer, new_key, webhook_place
from shared.settings import Settings, WebhookSettings
from shared.webhooks.signing import new_secret

BUDGET = 2500.0
_SECONDS = 120.0
_FILL = """
INSERT INTO events (id, type, subject, project_id, cluster_id, sequence, data)
SELECT gen_random_uuid()::text, 'node.joined.v1', 'clusters/' || $1, 'p', $1, n,
       jsonb_build_object('node_id', gen_random_uuid(), 'name', 'demo-0123abcd-default-worker-' || n, 'nodegroup',
       'default-worker', 'role', 'worker', 'state', 'joined', 'reason', null, 'addresses',
       jsonb_build_array('10.0.0.7'))
FROM generate_series(1, $2::int) n
"""
_ENDED = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered' AND webhook_id <> ALL($1::text[])"
_LAGS = """
SELECT extract(epoch FROM finished_at - created_at)::float8 FROM webhook_deliveries WHERE webhook_id <> ALL($1::text[])
"""


async def run(*, webhooks: int = 100, events: int = 200, rounds: int = 3) -> list[Figure]:
    """Measure on a new PostgreSQL.

    Args:
        webhooks: number of webhooks; each receives every event.
        events: number of events of each round.
        rounds: number of rounds, of which the median is reported.
    """
    async with temporary_postgres(free_port(), durable=True) as postgres:
        url = postgres.url().replace("postgresql://", "postgresql+asyncpg://", 1)
        await migrate(url)
        return await measure(url, webhooks=webhooks, events=events, rounds=rounds)


async def measure(database_url: str, *, webhooks: int, events: int, rounds: int) -> list[Figure]:
    """Measure on an existing migrated database, whose events and webhooks are deleted."""
    settings = Settings(
        database_url=SecretStr(database_url),
        secret_keys=[SecretStr(new_key())],
        cloud=CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x")),
        webhooks=WebhookSettings.model_validate(
            {"allow_http": True, "ports": ["1024-65535"], "allowed_networks": ["127.0.0.0/8"]}
        ),
    )
    plain = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    well: list[tuple[float, float, list[float]]] = []
    beside: list[tuple[float, float, list[float]]] = []
    async with _receivers() as (fast, hanging):
        for _ in range(rounds):
            for results, hung in ((well, 0), (beside, 1)):
                ports = [hanging] * hung + [fast] * (webhooks - hung)
                results.append(await _round(plain, settings, ports, events, hung))
    await plain.close()
    count = f"{webhooks} webhooks, {events} events, {rounds} rounds"
    medians = [statistics.median(percentile(lags, 0.99) for _, _, lags in each) for each in (well, beside)]
    return [
        Figure("deliveries", statistics.median(rate for rate, _, _ in well), "deliveries/s", note=count),
        Figure(
            "deliveries per second of the notifier's CPU",
            statistics.median(1 / cpu for _, cpu, _ in well),
            "deliveries/s/core",
            BUDGET,
            at_least=True,
        ),
        Figure(
            "1 receiver hangs: deliveries to the others", statistics.median(r for r, _, _ in beside), "deliveries/s"
        ),
        Figure("made -> delivered, p99", medians[0], "s", note="of the whole backlog"),
        Figure("1 receiver hangs: made -> delivered to the others, p99", medians[1], "s", note="of the whole backlog"),
    ]


async def _round(
    plain: asyncpg.Connection, settings: Settings, ports: list[int], events: int, hung: int
) -> tuple[float, float, list[float]]:
    """Deliveries per second, CPU seconds per delivery, and seconds of each delivery, without hanging receivers."""
    await plain.execute("TRUNCATE events, webhooks CASCADE")
    sealer = Sealer(settings.secret_keys)
    uuids = [new_id() for _ in ports]
    for uuid, port in zip(uuids, ports, strict=True):
        sealed = sealer.seal(new_secret().encode(), webhook_place(uuid, "current"))
        url = f"http://127.0.0.1:{port}/{uuid}"
        await plain.execute(
            "INSERT INTO webhooks (uuid, project_id, user_id, name, url, secret) VALUES ($1, 'p', 'u', $1, $2, $3)",
            *(uuid, url, sealed),
        )
    await plain.execute(_FILL, new_id(), events)
    await plain.execute("VACUUM ANALYZE events, webhooks, webhook_deliveries")
    excluded = uuids[:hung]
    database = Database(settings.database_url.get_secret_value(), application_name="benchmark")
    notifier = Notifier(database, settings)
    wall, cpu = time.perf_counter(), time.process_time()
    async with notifier.running():
        until = time.monotonic() + _SECONDS
        while await plain.fetchval(_ENDED, excluded) < events * (len(ports) - hung):
            assert time.monotonic() < until, "not everything was delivered"
            await asyncio.sleep(0.05)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await database.close()
    lags = [row[0] for row in await plain.fetch(_LAGS, excluded)]
    return len(lags) / wall, cpu / len(lags), lags


@asynccontextmanager
async def _receivers() -> AsyncIterator[tuple[int, int]]:
    """Ports of a fast receiver and of one that never answers."""
    ports = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.webhook_receiver", *map(str, ports), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    yield ports
    process.kill()
    await process.wait()
