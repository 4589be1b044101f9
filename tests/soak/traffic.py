"""Users who create clusters, change them in every way, cancel some of it, and delete them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

from tests.support.client import Client

SETTLE_SECONDS = 240.0
MOST_NODES = 4


@dataclass
class Record:
    """What happened: operations by kind, and those that failed without having been cancelled."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)


class User:
    """Has one cluster at a time.

    Args:
        seed: of what it does.
    """

    def __init__(self, client: Client, record: Record, seed: int) -> None:
        self._client = client
        self._record = record
        self._random = Random(seed)
        self._cluster = ""
        self._cancelled = False
        self._usable = True

    async def run(self, until: float) -> None:
        """Work until a time of the monotonic clock; then the last cluster is deleted."""
        changes = [self._resize, self._resize, self._nodegroup, self._rotate, self._cancel]
        while time.monotonic() < until:
            await self._create()
            for _ in range(self._random.randint(1, 4)):
                if time.monotonic() < until and self._usable:
                    await self._random.choice(changes)()
            await self._delete()

    async def _send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request that is repeated under one key, so that it is carried out once however often it is sent."""
        answer = await self._client.call(method, path, json=body, headers={"Idempotency-Key": uuid4().hex})
        return answer.status_code, answer.json() if answer.content else None

    async def _create(self) -> None:
        masters, nodes = self._random.choice([1, 1, 3]), self._random.randint(1, 3)
        body = {"name": f"soak-{uuid4().hex[:6]}", "cluster_template_id": await self._client.template()}
        status, answer = await self._send("POST", "/v1/clusters", body | {"master_count": masters, "node_count": nodes})
        assert status == 202, answer
        self._cluster, self._cancelled, self._usable = answer["uuid"], False, True
        self._record.clusters.append(self._cluster)
        if self._random.random() < 0.8:
            await self._settled("create")

    async def _resize(self) -> None:
        await self._change("resize", "POST", "actions/resize", {"node_count": self._random.randint(0, MOST_NODES)})
        if self._random.random() < 0.5:
            # The desired number changes while the operation runs.
            await self._change("resize", "POST", "actions/resize", {"node_count": self._random.randint(0, MOST_NODES)})
        await self._settled("resize")

    async def _nodegroup(self) -> None:
        name = f"g{uuid4().hex[:6]}"
        if not await self._change("nodegroup", "POST", "nodegroups", {"name": name, "node_count": 1}):
            return
        await self._settled("nodegroup create")
        await self._change("nodegroup", "DELETE", f"nodegroups/{name}")
        await self._settled("nodegroup delete")

    async def _rotate(self) -> None:
        status, answer = await self._send("PATCH", f"/v1/certificates/{self._cluster}")
        assert status in (202, 400, 409), answer
        if status == 202:
            await self._settled("rotation")

    async def _cancel(self) -> None:
        """Cancel a resize, then do it after all; or cancel a create, after which the cluster can only be deleted."""
        await self._change("resize", "POST", "actions/resize", {"node_count": MOST_NODES})
        newest = (await self._client.operations(self._cluster))[0]
        status, answer = await self._send("POST", f"/v1/operations/{newest['uuid']}/cancel")
        assert status in (202, 409), answer
        self._cancelled = True
        await self._settled("cancel")
        if newest["kind"] == "create" and status == 202:
            self._usable = False
            return
        await self._change("resize", "POST", "actions/resize", {"node_count": 1})
        self._cancelled = False
        await self._settled("resize after a cancel")

    async def _delete(self) -> None:
        """From whatever state it is in."""
        status, answer = await self._send("DELETE", f"/v1/clusters/{self._cluster}")
        assert status in (204, 404), answer
        await self._settled("delete")

    async def _change(self, kind: str, method: str, path: str, body: Any = None) -> bool:
        """A change of the cluster; returns whether it was accepted."""
        status, answer = await self._send(method, f"/v1/clusters/{self._cluster}/{path}", body)
        assert status in (201, 202, 204, 409), f"{kind}: {status} {answer}"
        return status != 409

    async def _settled(self, kind: str) -> None:
        status = await self._client.settled(self._cluster, SETTLE_SECONDS)
        self._record.done[kind] += 1
        failed = status is not None and (status.endswith("_FAILED") or kind == "delete")
        if failed and not self._cancelled:
            newest = (await self._client.operations(self._cluster))[0]
            self._record.failures.append(f"{kind} of {self._cluster}: {status}, {newest}")
            print(self._record.failures[-1])


async def users(client: Client, record: Record, *, number: int, seconds: float, seed: int) -> None:
    """Run users side by side for a time."""
    until = time.monotonic() + seconds
    await client.template(master_lb_enabled=True)
    async with asyncio.TaskGroup() as group:
        for index in range(number):
            group.create_task(User(client, record, seed * 1000 + index).run(until))
