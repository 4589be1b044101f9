"""SIGKILL of the notifier at each of its moments: every event arrives, with its ID, and nothing is left waiting."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import asyncpg
import pytest

from sandbox.run import Sandbox
from tests.support.client import Client
from tests.support.hooks import listening
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
MOMENTS = ("notifier.fanned_out", "notifier.sent", "notifier.recorded")
QUICK = {"JEROBOAM_POLL_SECONDS": "0.2", "JEROBOAM_WEBHOOKS__LEASE_SECONDS": "1.5"}
sandbox = module_sandbox(restart=False, extra_environment={"notifier": QUICK})
client = module_client()


async def test_nothing_is_lost(sandbox: Sandbox, client: Client) -> None:
    notifier = sandbox.children["notifier"]
    async with listening() as receiver:
        for name in ("plain", "ordered"):
            body = {"name": name, "url": f"{receiver.url}/{name}", "ordered": name == "ordered"}
            created = await client.call("POST", "/v1/webhooks", json=body)
            assert created.status_code == 201, created.text
        await notifier.stop()
        cluster = await client.create(node_count=3)
        for moment in MOMENTS:
            notifier.arm({"JEROBOAM_CRASH_AT": moment})
            notifier.start()
            assert await notifier.wait(60) == -signal.SIGKILL, f"nothing died at {moment}: {notifier.log_tail()}"
            await leases_run_out(sandbox)
        notifier.start()
        assert await client.settled(cluster) == "CREATE_COMPLETE"
        # In the middle of its work, without a named moment.
        resize = await client.call("POST", f"/v1/clusters/{cluster}/actions/resize", json={"node_count": 5})
        assert resize.status_code == 202, resize.text
        await receiver.until(len(receiver.received) + 3)
        assert notifier.pid is not None
        os.kill(notifier.pid, signal.SIGKILL)
        await notifier.wait(30)
        notifier.start()
        assert await client.settled(cluster) == "UPDATE_COMPLETE"
        events = [event["id"] for event in await client.events(cluster)]
        async with asyncio.timeout(60):
            while await waiting(client):
                await asyncio.sleep(0.1)
        for name in ("plain", "ordered"):
            arrived = Counter(each.id for each in receiver.received if each.path.endswith(name))
            assert set(arrived) == set(events)
        times = [each.id for each in receiver.received if each.path.endswith("ordered")]
        # Some arrived twice; without those, the order is that of the cluster's events.
        assert list(dict.fromkeys(times)) == events


async def waiting(client: Client) -> int:
    """How many deliveries have not ended."""
    pages = [await client.get(f"/v1/webhooks/{name}/deliveries?state=pending") for name in ("plain", "ordered")]
    return sum(len(page["deliveries"]) for page in pages)


async def leases_run_out(sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(sandbox.database_url)
    await connection.execute("UPDATE webhooks SET lease_until = now() WHERE lease_until > now()")
    await connection.close()
