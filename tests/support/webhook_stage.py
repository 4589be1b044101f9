"""A project with webhooks, events of clusters, and what became of deliveries; for tests of the notifier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from shared.events.catalog import CATALOG, EventData, NodeChanged, OperationCompleted, OperationFailed
from shared.events.log import emit
from tests.support.memory_api import MemoryApi
from tests.support.rows import make_cluster

_DATA: dict[str, EventData] = {
    "NodeChanged": NodeChanged(node_id="n", name="n-0", nodegroup="g", role="worker", state="joined"),
    "OperationCompleted": OperationCompleted(kind="create", status="CREATE_COMPLETE", seconds=1.5),
    "OperationFailed": OperationFailed(kind="create", status="CREATE_FAILED", step=None, reason="no"),
}


@dataclass(slots=True)
class Stage:
    api: MemoryApi

    async def webhook(self, url: str, name: str = "w", **fields: Any) -> dict[str, Any]:
        answer = await self.api.client.post("/v1/webhooks", json={"name": name, "url": url} | fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200, token: str = "user") -> Any:
        answer = await self.api.client.request(
            method, f"/v1/webhooks{path}", json=body, headers={"X-Auth-Token": token}
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def patch(self, name: str = "w", **values: Any) -> Any:
        return await self.call("PATCH", f"/{name}", values)

    async def cluster(self, project: str = "p1") -> str:
        async with self.api.deps.db.transaction() as session:
            return (await make_cluster(session, project_id=project)).uuid

    async def emit(self, cluster: str | None, *names: str, project: str = "p1", sleep: float = 0) -> list[str]:
        """Emit events in one transaction each; returns their IDs."""
        found = []
        for name in names:
            async with self.api.deps.db.transaction() as session:
                data = _DATA[CATALOG[name].data.__name__]
                found.append(await emit(session, name, data, project_id=project, cluster=cluster))
                await asyncio.sleep(sleep)
        return found

    async def sql(self, statement: str, **arguments: Any) -> None:
        async with self.api.deps.db.transaction() as session:
            await session.execute(text(statement), arguments)

    async def rows(self, statement: str, **arguments: Any) -> list[Any]:
        async with self.api.deps.db.transaction() as session:
            return list((await session.execute(text(statement), arguments)).all())

    async def deliveries(self, name: str = "w") -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = (await self.call("GET", f"/{name}/deliveries"))["deliveries"]
        return found[::-1]

    async def settled(self, name: str = "w", number: int = 1, seconds: float = 20) -> list[dict[str, Any]]:
        """All deliveries, oldest first, once there are as many and none is waiting."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.deliveries(name)
                if len(found) >= number and all(each["state"] != "pending" for each in found):
                    return found
                await asyncio.sleep(0.02)

    async def until(self, name: str, **expected: Any) -> dict[str, Any]:
        """A webhook, once it has these attributes."""
        async with asyncio.timeout(20):
            while True:
                shown: dict[str, Any] = await self.call("GET", f"/{name}")
                if all(shown[key] == value for key, value in expected.items()):
                    return shown
                await asyncio.sleep(0.02)

    async def own_events(self) -> list[str]:
        """Types of the events about webhooks, in the order of the log."""
        found = await self.rows("SELECT type FROM events WHERE type LIKE 'webhook.%' ORDER BY seq")
        return [row.type.removesuffix(".v1") for row in found]

    async def let_through(self, name: str = "w") -> None:
        """Forget that a receiver is to be left alone for some time, and that retries are due later."""
        await self.sql(
            "UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending' AND webhook_id = "
            "(SELECT uuid FROM webhooks WHERE name = :name)",
            name=name,
        )
        await self.sql(
            "UPDATE webhooks SET held_until = NULL, next_due = now() WHERE name = :name AND lease_token IS NULL",
            name=name,
        )


def ids(events: Sequence[Any]) -> list[str]:
    return [each.id for each in events]
