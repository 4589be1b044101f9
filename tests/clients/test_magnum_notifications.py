"""Magnum's notifications as a real oslo.messaging listener takes them, beside what Magnum's own code sends."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from sandbox.rabbitmq import RabbitServer
from services.notifier.magnum_notices import MagnumNotices
from shared.db.engine import Database
from shared.domain.kinds import OperationKind
from shared.events.catalog import OperationFailed, OperationStarted
from shared.events.log import emit
from shared.settings import MagnumNotificationSettings
from tests.support.rows import make_creating

LISTENER = Path(__file__).parents[1] / "support" / "oslo_listener.py"


@pytest.mark.parametrize("release", ["22", "23"])
async def test_oslo_messaging_takes_them(tool: Any, database: Database, rabbit: RabbitServer, release: str) -> None:
    exchange = f"magnum-{uuid4().hex[:8]}"
    async with database.transaction() as session:
        cluster, operation = await make_creating(session)
    notices = MagnumNotices(
        database, MagnumNotificationSettings(url=SecretStr(rabbit.url), exchange=exchange), poll_seconds=0.1
    )
    assert not await notices.send_batch()
    listener = await asyncio.create_subprocess_exec(
        *(str(tool(f"magnum-{release}", "python")), "-W", "ignore", str(LISTENER), rabbit.url, exchange, "2"),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert listener.stdout

    async def line() -> str:
        assert listener.stdout
        async with asyncio.timeout(90):
            return (await listener.stdout.readline()).decode().strip()

    try:
        magnums = json.loads(await line())
        assert await line() == "listening"
        started = OperationStarted(kind=OperationKind.CREATE)
        failed = OperationFailed(kind=OperationKind.CREATE, status="CREATE_FAILED", step=None, reason="no host")
        ids = []
        for name, data in (("cluster.create.started.v1", started), ("cluster.create.failed.v1", failed)):
            async with database.transaction() as session:
                ids.append(
                    await emit(session, name, data, project_id="p1", cluster=cluster.uuid, operation_id=operation.uuid)
                )
        assert await notices.send_batch()
        first, second = json.loads(await line()), json.loads(await line())
        async with asyncio.timeout(60):
            assert await listener.wait() == 0
    finally:
        await notices.close()
        if listener.returncode is None:
            listener.kill()
            await listener.wait()
    assert (first["level"], second["level"]) == ("info", "error")
    assert [each["metadata"]["message_id"] for each in (first, second)] == ids
    for each in (first, second):
        assert each["valid"]
        assert each["event_type"] == magnums["event_type"] == "magnum.cluster.create"
        assert shape(each["payload"]) == shape(magnums["payload"])
    assert [each["payload"]["outcome"] for each in (first, second)] == ["pending", "failure"]


def shape(value: Any) -> Any:
    """Keys and the shapes of their values; of what is in `content`, the keys."""
    if isinstance(value, dict):
        return {key: sorted(inner) if key == "content" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return None
