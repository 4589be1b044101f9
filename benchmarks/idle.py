"""Measures idle services with many clusters in the database.

The results are the written rows (from PostgreSQL's statistics), and the CPU time and memory of each process. Only
heartbeats should be written.
"""

from __future__ import annotations

import asyncio

import asyncpg

from benchmarks.measure import Figure, cpu_seconds, cpu_seconds_with_children, resident_mib
from benchmarks.rows import fill
from sandbox.run import running_sandbox

CPU_BUDGET = 5.0
MEMORY_BUDGET_MIB = 300.0
_SERVICES = ("api", "provisioner", "monitor")
_WRITTEN = """
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS rows FROM pg_stat_user_tables
"""
_TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
# The maximum delay of the statistics of backends.
_STATISTICS_SECONDS = 11.0


async def run(*, clusters: int = 1000, seconds: int = 60) -> list[Figure]:
    """Measure.

    Args:
        clusters: number of clusters in the database, of one master and two workers each.
        seconds: duration of the measurement.
    """
    async with running_sandbox() as sandbox:
        database = await asyncpg.connect(sandbox.database_url)
        await fill(database, "p", clusters)
        await database.execute("VACUUM ANALYZE")
        await asyncio.sleep(_STATISTICS_SECONDS)
        pids = {name: sandbox.children[name].pid for name in _SERVICES}
        written, transactions = await _written(database), await database.fetchval(_TRANSACTIONS)
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        postgres = cpu_seconds_with_children(sandbox.postgres.pid)
        await asyncio.sleep(seconds)
        used = {name: (cpu_seconds(pid) - before[name]) / seconds * 100 for name, pid in pids.items()}
        used["postgres"] = (cpu_seconds_with_children(sandbox.postgres.pid) - postgres) / seconds * 100
        memory = {name: resident_mib(pid) for name, pid in pids.items()}
        after = await _written(database)
        transactions = await database.fetchval(_TRANSACTIONS) - transactions
        await database.close()
    rows = {name: number - written.get(name, 0) for name, number in after.items() if number > written.get(name, 0)}
    beats = rows.pop("service_heartbeats", 0)
    per_minute = 60 / seconds
    return [
        Figure("rows written, without heartbeats", sum(rows.values()) * per_minute, "/min", 0, note=_listed(rows)),
        Figure("heartbeats written", beats * per_minute, "/min", note=f"{len(_SERVICES)} processes"),
        Figure("transactions", transactions * per_minute, "/min", note="mostly reads, from polling"),
        *(Figure(f"CPU of {name}", share, "% of a core", CPU_BUDGET) for name, share in used.items()),
        *(Figure(f"memory of {name}", size, "MiB", MEMORY_BUDGET_MIB) for name, size in memory.items()),
    ]


async def _written(database: asyncpg.Connection) -> dict[str, int]:
    return {row["relname"]: row["rows"] for row in await database.fetch(_WRITTEN)}


def _listed(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in rows.items())
