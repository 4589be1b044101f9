"""Servers that change behind Jeroboam's back, on the sandbox: what is shown, and what a resize makes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.run import Sandbox
from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.client import Client
from tests.support.cluster_view import View
from tests.support.nova import NovaUser, nova_user
from tests.support.sandboxes import module_client, module_clouds, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
QUICK = {"JEROBOAM_POLL_SECONDS": "0.5", "JEROBOAM_CLIENT_HEALTH_SECONDS": "3"}
sandbox = module_sandbox(
    extra_environment=dict.fromkeys(("api", "provisioner", "scaler", "monitor"), QUICK), heartbeat=1.0
)
client = module_client()
clouds = module_clouds()
Made = Callable[[str, int], Awaitable[View]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nova(sandbox: Sandbox) -> AsyncIterator[NovaUser]:
    async with nova_user(sandbox) as user:
        yield user


@pytest_asyncio.fixture(loop_scope="module")
async def made(client: Client, clouds: OpenStackCloudFactory) -> AsyncIterator[Made]:
    """Makes clusters of so many workers; deletes them at the end."""
    views: list[View] = []

    async def make(name: str, workers: int) -> View:
        views.append(View(client, clouds, await client.create(name, node_count=workers)))
        assert await views[-1].settled() == "CREATE_COMPLETE"
        return views[-1]

    yield make
    for view in views:
        await view.vanishes()


async def until(check: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        await asyncio.sleep(0.1)


async def is_in(view: View, state: str, index: int) -> bool:
    return (await view.nodes())[index]["state"] == state


async def has_health(view: View, status: str) -> bool:
    return (await view.shown())["health_status"] == status


async def resize(view: View, count: int) -> str | None:
    body = {"node_count": count}
    asked = await view.client.call("POST", f"/v1/clusters/{view.cluster}/actions/resize", json=body)
    assert asked.status_code == 202, asked.text
    return await view.settled()


async def test_a_resize_down_removes_the_node_whose_server_is_gone(made: Made, nova: NovaUser) -> None:
    view = await made("down", 2)
    await nova.delete((await view.nodes())[0]["server_id"])
    assert await resize(view, 1) == "UPDATE_COMPLETE"
    await view.is_whole(1)
    (failed,) = await view.told("node.failed")
    assert "does not exist any more" in failed["reason"]


async def test_a_resize_to_the_same_count_builds_a_lost_node_again(made: Made, nova: NovaUser) -> None:
    view = await made("same", 2)
    await nova.delete((await view.nodes())[1]["server_id"])
    assert await resize(view, 2) == "UPDATE_COMPLETE"
    await view.is_whole(0, 2)
    await until(lambda: has_health(view, "HEALTHY"))


async def test_a_silent_node_is_looked_at_and_a_dead_one_is_not_healthy(made: Made, nova: NovaUser) -> None:
    view = await made("dead", 1)
    await until(lambda: has_health(view, "HEALTHY"))

    async def says_so_itself() -> bool:
        return (await view.nodes())[0]["health"] == {"healthy": True}

    await until(says_so_itself)
    (node,) = (await view.nodes()).values()
    await nova.delete(node["server_id"])
    await until(lambda: is_in(view, "failed", 0))
    (node,) = (await view.nodes()).values()
    assert node["reason"] == f"server {node['server_id']} does not exist any more"
    assert node["health"] == {"healthy": False, "reason": node["reason"]}

    async def is_not_ready() -> bool:
        reasons = (await view.shown())["health_status_reason"]
        return (reasons["api"], reasons[f"{node['name']}.Ready"]) == ("ok", "False")

    await until(is_not_ready)
    assert await has_health(view, "UNHEALTHY")
    assert [event["status"] for event in await view.told("cluster.health.changed")] == ["HEALTHY", "UNHEALTHY"]


async def test_a_stopped_server_is_unhealthy_but_not_lost(made: Made, nova: NovaUser) -> None:
    view = await made("stopped", 1)
    (node,) = (await view.nodes()).values()
    await until(lambda: has_health(view, "HEALTHY"))
    await nova.act(node["server_id"], "os-stop")
    await until(lambda: has_health(view, "UNHEALTHY"))

    async def status_is_known() -> bool:
        return (await view.nodes())[0]["server_status"] == "SHUTOFF"

    await until(status_is_known)
    (stopped,) = (await view.nodes()).values()
    assert (stopped["state"], stopped["health"]["healthy"]) == ("joined", False)
    await nova.act(node["server_id"], "os-start")
    await until(lambda: has_health(view, "HEALTHY"))
    assert await resize(view, 1) == "UPDATE_COMPLETE"
    assert (await view.nodes())[0]["server_id"] == node["server_id"]


async def test_a_rebuilt_machine_registers_again(made: Made, nova: NovaUser) -> None:
    view = await made("rebuilt", 2)
    before = (await view.nodes())[0]
    await nova.rebuild(before["server_id"])

    async def joined_twice() -> bool:
        return [event["name"] for event in await view.told("node.joined")].count(before["name"]) == 2

    await until(joined_twice, 60)
    after = (await view.nodes())[0]
    assert (after["state"], after["server_id"]) == ("joined", before["server_id"])
    told = [event["reason"] for event in await view.told("node.failed")]
    assert len(told) == 1
    assert told[0].startswith(f"server {before['server_id']} was rebuilt or moved at ")
    await until(lambda: has_health(view, "HEALTHY"))


async def test_a_resized_machine_keeps_its_credential(made: Made, nova: NovaUser) -> None:
    view = await made("moved", 1)
    before = (await view.nodes())[0]
    await nova.act(before["server_id"], "resize", flavorRef="m1.medium")

    async def is_done() -> bool:
        return (await nova.show(before["server_id"]))["status"] == "VERIFY_RESIZE"

    await until(is_done)
    assert await resize(view, 1) == "UPDATE_COMPLETE"
    after = (await view.nodes())[0]
    assert (after["state"], after["server_id"]) == ("joined", before["server_id"])
    assert [event["name"] for event in await view.told("node.joined")].count(before["name"]) == 2
    assert [event["name"] for event in await view.told("node.announced")].count(before["name"]) == 1


async def test_a_server_in_error_is_lost_and_replaced(made: Made, nova: NovaUser, sandbox: Sandbox) -> None:
    view = await made("broken", 1)
    before = (await view.nodes())[0]
    async with nova_user(sandbox, "admin", "admin") as admin:
        await admin.act(before["server_id"], "os-resetState", state="error")
    assert await resize(view, 1) == "UPDATE_COMPLETE"
    await view.is_whole(1)
    (failed,) = await view.told("node.failed")
    assert failed["reason"] == f"server {before['server_id']} is in status ERROR: Nova gives no fault"


async def test_a_client_that_measures_wins_while_it_is_fresh(made: Made) -> None:
    view = await made("client", 1)
    await until(lambda: has_health(view, "HEALTHY"))
    patch = [
        {"op": "replace", "path": "/health_status", "value": "UNHEALTHY"},
        {"op": "replace", "path": "/health_status_reason", "value": "{'api': 'the healer says so'}"},
    ]
    for _ in range(3):
        asked = await view.client.call("PATCH", f"/v1/clusters/{view.cluster}", json=patch)
        assert asked.status_code == 202, asked.text
        await asyncio.sleep(1.5)
        shown = await view.shown()
        assert (shown["health_status"], shown["health_status_reason"]) == ("UNHEALTHY", {"api": "the healer says so"})
    await until(lambda: has_health(view, "HEALTHY"))
    told = await view.told("cluster.health.changed")
    assert [(event["status"], event["reported"]) for event in told] == [
        ("HEALTHY", False), ("UNHEALTHY", True), ("HEALTHY", False),
    ]  # fmt: skip


async def test_when_all_are_silent_the_health_is_unknown(made: Made, sandbox: Sandbox) -> None:
    """The API is away, so nothing can report; the monitor says what it knows: nothing."""
    view = await made("silent", 1)
    await until(lambda: has_health(view, "HEALTHY"))
    api = sandbox.children["api"]
    await api.stop()
    await asyncio.sleep(5)
    api.start()
    await sandbox.wait_ready("api", f"{sandbox.api_url}/readyz")
    await until(lambda: has_health(view, "HEALTHY"))
    told = [event["status"] for event in await view.told("cluster.health.changed")]
    assert told == ["HEALTHY", "UNKNOWN", "HEALTHY"]


async def test_what_could_not_be_drained_is_in_the_status_reason(made: Made, sandbox: Sandbox) -> None:
    view = await made("stuck", 2)
    name = (await view.nodes())[1]["name"]
    url = f"http://127.0.0.1:{sandbox.layout.cloud_port}/faults"
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.put(url, json={"behaviours": {"drain_fails": [name]}})
        try:
            assert await resize(view, 1) == "UPDATE_COMPLETE"
        finally:
            await http.delete(url)
    expected = f"{name} was removed, but not drained: simulated pod that does not go"
    assert (await view.shown())["status_reason"] == expected
    assert (await view.group())["status_reason"] == expected
    assert await resize(view, 1) == "UPDATE_COMPLETE"
    assert (await view.shown())["status_reason"] is None
