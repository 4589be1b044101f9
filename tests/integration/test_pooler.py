"""All services through a pgbouncer in transaction mode: two sessions of the database for all their transactions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from sandbox.ports import free_port
from sandbox.postgres import EmbeddedPostgres, temporary_postgres
from sandbox.run import running_sandbox
from sandbox.trusted import make_temporary_directory
from services.api.reader import Reader
from shared.db.engine import Database
from tests.support.client import demo_client
from tests.support.pooler import pooler

SERVERS = 2
SERVICES = ("api", "provisioner", "scaler", "upgrader", "monitor", "notifier")

pytestmark = pytest.mark.timeout(300)


async def test_transactions_and_reads_share_sessions() -> None:
    async with temporary_postgres(free_port()) as server, pooler(server.port, servers=SERVERS) as url:
        direct, pooled = (each.replace("postgresql:", "postgresql+asyncpg:") for each in (server.url(), url))
        database = Database(direct, application_name="test", pool_size=8, pooler_url=pooled)
        reader = Reader(url, pooled=True, size=8)
        await reader.open()
        woken = asyncio.Event()
        listener = asyncio.create_task(database.listen(["here"], lambda _channel: woken.set()))

        async def write(number: int) -> None:
            async with database.transaction() as session:
                value = await session.scalar(text("SELECT CAST(:n AS int) + 1"), {"n": number})
                same = await session.scalar(text("SELECT pg_backend_pid() = pg_backend_pid()"))
                assert (value, same) == (number + 1, True)

        async def read(number: int) -> None:
            (row,) = await reader.rows("SELECT jsonb_build_object('n', $1::int) AS found", number)
            assert row["found"] == {"n": number}

        try:
            async with asyncio.timeout(60):
                await woken.wait()  # once, when it begins to listen
                woken.clear()
                await asyncio.gather(*(work(number) for number in range(300) for work in (write, read)))
                async with database.transaction() as session:
                    await session.execute(text("NOTIFY here"))
                await woken.wait()
            sessions = await reader.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
            assert len(sessions) <= SERVERS + 1, "the pooler's sessions and the listener"
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await reader.close()
            await database.close()


async def test_a_cluster_is_made_resized_and_deleted() -> None:
    directory = make_temporary_directory("jeroboam-pooled-")
    server = EmbeddedPostgres(Path(directory), free_port(), durable=False)
    async with pooler(server.port, servers=SERVERS) as url:
        settings = {service: {"JEROBOAM_DATABASE_POOLER_URL": url} for service in SERVICES}
        async with (
            running_sandbox(postgres=server, extra_environment=settings) as sandbox,
            demo_client(sandbox) as client,
        ):
            cluster = await client.create(node_count=1)
            assert await client.settled(cluster, 120) == "CREATE_COMPLETE"
            answer = await client.call("POST", f"/v1/clusters/{cluster}/actions/resize", json={"node_count": 2})
            assert answer.status_code == 202
            assert await client.settled(cluster, 120) == "UPDATE_COMPLETE"
            await client.delete(cluster)
            assert await client.settled(cluster, 120) is None
            connection = await asyncpg.connect(server.url())
            named = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jeroboam%'"
            assert 0 < await connection.fetchval(named) <= SERVERS
            await connection.close()
