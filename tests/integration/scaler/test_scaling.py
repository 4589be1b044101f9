"""More and fewer nodes on the sandbox: exactly the right ones come and go, whatever else happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from sandbox.run import Sandbox
from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.client import Client
from tests.support.cluster_view import WORKERS, View
from tests.support.sandboxes import module_client, module_clouds, module_sandbox
from tests.support.scaling import Scaling, scaling

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]


QUICK = {"JEROBOAM_POLL_SECONDS": "0.5", "JEROBOAM_NODES_PER_STACK": "3"}
FEW = {"api": {"JEROBOAM_NODES_PER_STACK": "3"}, "provisioner": QUICK, "scaler": QUICK}
sandbox = module_sandbox(extra_environment=FEW)
client = module_client()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scale(sandbox: Sandbox) -> AsyncIterator[Scaling]:
    async with scaling(sandbox) as made:
        yield made


clouds = module_clouds()


@pytest_asyncio.fixture(loop_scope="module")
async def made(client: Client, clouds: OpenStackCloudFactory) -> AsyncIterator[Any]:
    """Makes clusters of so many workers; deletes them at the end."""
    views: list[View] = []

    async def make(name: str, workers: int) -> View:
        cluster = await client.create(name, node_count=workers)
        views.append(View(client, clouds, cluster))
        assert await views[-1].settled() == "CREATE_COMPLETE"
        return views[-1]

    yield make
    for view in views:
        await view.vanishes()


@pytest_asyncio.fixture(loop_scope="module")
async def faults(sandbox: Sandbox) -> AsyncIterator[Any]:
    url = f"http://127.0.0.1:{sandbox.layout.cloud_port}/faults"

    async def put(**behaviours: list[str]) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            done = await http.put(url, json={"behaviours": behaviours})
            assert done.status_code < 300, done.text

    yield put
    await put()


async def test_up_over_a_shards_edge_and_down_again(made: Any, scale: Scaling) -> None:
    view = await made("elastic", 2)
    before = await view.nodes()
    operation = await scale.resize(view.cluster, 7)
    assert (await view.shown())["status"] == "UPDATE_IN_PROGRESS"
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(*range(7))
    after = await view.nodes()
    assert {index: after[index]["server_id"] for index in before} == {
        index: node["server_id"] for index, node in before.items()
    }
    assert sorted(await view.stacks()) == [0, 1, 2]
    assert (await view.client.operations(view.cluster))[0]["uuid"] == operation

    await scale.resize(view.cluster, 1)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0)
    assert (await view.nodes())[0]["server_id"] == before[0]["server_id"]
    assert sorted(await view.stacks()) == [0]
    removed = await view.told("node.removed")
    assert {event["name"] for event in removed} == {after[index]["name"] for index in range(1, 7)}
    assert {event["reason"] for event in removed} == {"drained"}
    assert len(await view.told("node.drained")) == 6
    shown = await view.shown()
    assert (shown["node_count"], shown["status_reason"]) == (1, None)
    # An index is never given twice.
    await scale.resize(view.cluster, 2)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0, 7)


async def test_a_shard_is_changed_by_one_update_however_many_nodes_go(
    made: Any, scale: Scaling, sandbox: Sandbox
) -> None:
    async def changes() -> dict[str, int]:
        """Calls that change a stack, by method."""
        async with httpx.AsyncClient(trust_env=False) as http:
            lines = (await http.get(f"http://127.0.0.1:{sandbox.layout.cloud_port}/requests")).json()["requests"]
        found = {"POST": 0, "PUT": 0, "DELETE": 0}
        for line in lines:
            # The short path is answered with a redirect to the full one.
            if line["service"] == "orchestration" and line["method"] in found and line["status"] < 300:
                found[line["method"]] += line["count"]
        return found

    view = await made("thrifty", 6)
    before = await changes()
    await scale.resize(view.cluster, 1)
    assert await view.settled() == "UPDATE_COMPLETE"
    after = await changes()
    assert {method: after[method] - before[method] for method in after} == {"POST": 0, "PUT": 1, "DELETE": 1}


async def test_to_none_and_back(made: Any, scale: Scaling) -> None:
    view = await made("hollow", 1)
    await scale.resize(view.cluster, 0)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole()
    assert await view.stacks() == {}
    await scale.resize(view.cluster, 1)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(1)


async def test_the_nodes_that_were_named_go(made: Any) -> None:
    view = await made("named", 4)
    nodes = await view.nodes()
    body = {"node_count": 3, "nodes_to_remove": [nodes[0]["server_id"], nodes[2]["uuid"]]}
    asked = await view.client.call("POST", f"/v1/clusters/{view.cluster}/actions/resize", json=body)
    assert asked.status_code == 202, asked.text
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(1, 3, 4)


async def test_a_resize_during_a_resize_is_followed(made: Any, scale: Scaling) -> None:
    """Up, further up, and down again before the first is through: one operation, which ends at the last wish."""
    view = await made("restless", 1)
    operations = [await scale.resize(view.cluster, 3)]
    for count in (6, 2):
        await asyncio.sleep(1)
        operations.append(await scale.resize(view.cluster, count))
    assert await view.settled() == "UPDATE_COMPLETE"
    nodes = await view.nodes()
    await view.is_whole(*nodes)
    assert len(nodes) == 2
    assert (await view.client.operations(view.cluster))[0]["uuid"] == operations[-1]


async def test_none_and_back_thirty_times_in_a_row(made: Any, scale: Scaling) -> None:
    """Each wish comes at another moment of what the one before began, and meets stacks on their way out."""

    async def waver(view: View, first: int) -> None:
        for number in range(first, 30, 5):
            await scale.resize(view.cluster, 0)
            await asyncio.sleep(number % 10 * 0.12)
            await scale.resize(view.cluster, 1 + number % 2)
            assert await view.settled() == "UPDATE_COMPLETE", (await view.shown())["status_reason"]
        await view.is_whole(*await view.nodes())

    views = [await made(f"wavering-{number}", 1) for number in range(5)]
    await asyncio.gather(*(waver(view, first) for first, view in enumerate(views)))


async def test_a_resize_asked_during_a_create_follows_it(client: Client, clouds: OpenStackCloudFactory) -> None:
    view = View(client, clouds, await client.create("hasty", node_count=1))
    asked = await client.call("POST", f"/v1/clusters/{view.cluster}/actions/resize", json={"node_count": 3})
    assert asked.status_code == 202, asked.text
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0, 1, 2)
    assert [found["kind"] for found in await client.operations(view.cluster)] == ["resize", "create"]
    await view.vanishes()


async def test_a_failed_resize_is_retried_and_builds_only_what_failed(made: Any, scale: Scaling, faults: Any) -> None:
    view = await made("patient", 2)
    await faults(no_valid_host=["worker-3$"])
    await scale.resize(view.cluster, 5)
    assert await view.settled() == "UPDATE_FAILED"
    shown = await view.shown()
    assert "No valid host was found" in shown["status_reason"]
    nodes = await view.nodes()
    assert nodes[3]["state"] == "failed"
    assert "No valid host was found" in nodes[3]["reason"]
    (failed,) = await view.told("cluster.resize.failed")
    assert list(failed["faults"]) == [nodes[3]["name"]]
    before = {node["name"]: node["server_id"] for node in nodes.values() if node["state"] != "failed"}
    assert all(before.values())
    await faults()
    await view.retried()
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(*range(5))
    after = {node["name"]: node["server_id"] for node in (await view.nodes()).values()}
    assert before.items() <= after.items()


async def test_a_failed_resize_is_followed_by_one_down_to_what_works(made: Any, scale: Scaling, faults: Any) -> None:
    view = await made("modest", 2)
    await faults(no_valid_host=["worker-2$"], fail_join=["worker-3$"])
    await scale.resize(view.cluster, 5)
    assert await view.settled() == "UPDATE_FAILED"
    # The operation ended with the stack that failed; the nodes of the other one are still on their way.
    async with asyncio.timeout(120):
        while {(await view.nodes())[index]["state"] for index in (2, 3)} != {"failed"} or (
            (await view.nodes())[4]["state"] != "joined"
        ):
            await asyncio.sleep(0.1)
    await scale.resize(view.cluster, 3)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0, 1, 4)


async def test_a_new_resize_asks_again_who_could_not_join(made: Any, scale: Scaling, faults: Any) -> None:
    view = await made("asking", 1)
    await faults(fail_join=["worker-1$"])
    await scale.resize(view.cluster, 2)
    assert await view.settled() == "UPDATE_FAILED"
    failed = (await view.nodes())[1]
    assert failed["server_id"] is not None
    await faults()
    await scale.resize(view.cluster, 3)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0, 1, 2)
    assert (await view.nodes())[1]["server_id"] == failed["server_id"]


@pytest.mark.parametrize(("count", "lifted", "whole"), [(2, False, (0, 2)), (4, True, (0, 1, 2, 3))])
async def test_a_failed_create_goes_on_as_a_resize(
    client: Client, clouds: OpenStackCloudFactory, faults: Any, count: int, lifted: bool, whole: tuple[int, ...]
) -> None:
    await faults(no_valid_host=["worker-1$"])
    view = View(client, clouds, await client.create("crooked", node_count=3))
    assert await view.settled() == "CREATE_FAILED"
    if lifted:
        await faults()
    answer = await client.call("POST", f"/v1/clusters/{view.cluster}/actions/resize", json={"node_count": count})
    assert answer.status_code == 202, answer.text
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(*whole)
    assert (await view.shown())["coe_version"] is not None
    masters = await view.group("default-master")
    assert (masters["status"], masters["status_reason"]) == ("CREATE_COMPLETE", None)
    await view.vanishes()


async def test_without_a_master_nobody_is_waited_for(
    client: Client, scale: Scaling, clouds: OpenStackCloudFactory, faults: Any
) -> None:
    await faults(no_valid_host=["master-0$"])
    view = View(client, clouds, await client.create("headless", node_count=1))
    assert await view.settled() == "CREATE_FAILED"
    await scale.resize(view.cluster, 2)
    assert await view.settled() == "UPDATE_FAILED"
    assert (await view.shown())["status_reason"].startswith("there is no cluster to join: master ")
    # The create is not the latest operation any more; the wish for fewer nodes still comes true.
    await scale.resize(view.cluster, 0)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.vanishes()


async def test_a_cluster_without_a_network_is_told_to_retry_its_create(
    client: Client, scale: Scaling, clouds: OpenStackCloudFactory, faults: Any
) -> None:
    await faults(quota=["^jeroboam-[0-9a-f-]{36}"])
    view = View(client, clouds, await client.create("baseless"))
    assert await view.settled() == "CREATE_FAILED"
    await scale.resize(view.cluster, 4)
    assert await view.settled() == "UPDATE_FAILED"
    assert "retry the create first" in (await view.shown())["status_reason"]
    await view.vanishes()


async def test_a_node_that_cannot_be_emptied_goes_and_the_event_says_so(made: Any, scale: Scaling, faults: Any) -> None:
    view = await made("stubborn", 3)
    await faults(drain_fails=["worker-2$"])
    await scale.resize(view.cluster, 1)
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0)
    reasons = {event["name"].rsplit("-", 1)[1]: event["reason"] for event in await view.told("node.removed")}
    assert reasons == {"1": "drained", "2": "not drained: simulated pod that does not go"}
    assert [event["name"].rsplit("-", 1)[1] for event in await view.told("node.drained")] == ["1"]
    shown = await view.shown()
    assert shown["status_reason"].endswith("-worker-2 was removed, but not drained: simulated pod that does not go")


async def test_a_server_that_will_not_go_fails_the_resize_and_a_retry_ends_it(
    made: Any, scale: Scaling, faults: Any
) -> None:
    view = await made("clinging", 3)
    await faults(delete_fails=[f"{WORKERS}-0/node-2$"])
    await scale.resize(view.cluster, 2)
    assert await view.settled() == "UPDATE_FAILED"
    assert "erred or is incapable" in (await view.shown())["status_reason"]
    assert (await view.nodes())[2]["state"] == "removing"
    await faults()
    await view.retried()
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0, 1)


async def test_a_nodegroup_comes_changes_and_goes(made: Any, scale: Scaling) -> None:
    view = await made("grouped", 1)
    groups = f"/v1/clusters/{view.cluster}/nodegroups"
    asked = await view.client.call("POST", groups, json={"name": "gpu", "node_count": 2})
    assert asked.status_code == 202, asked.text
    assert (await view.group("gpu"))["status"] == "CREATE_IN_PROGRESS"
    assert (await view.shown())["status"] == "UPDATE_IN_PROGRESS"
    assert await view.settled() == "UPDATE_COMPLETE"
    assert (await view.group("gpu"))["status"] == "CREATE_COMPLETE"
    await view.is_whole(0, 1, group="gpu")

    for path, value in (("/node_labels", "{'tier': 'gold'}"), ("/min_node_count", "1")):
        change = [{"op": "replace", "path": path, "value": value}]
        asked = await view.client.call("PATCH", f"{groups}/gpu", json=change)
        assert asked.status_code == 202, asked.text
        assert await view.settled() == "UPDATE_COMPLETE"
    async with scale.database.transaction() as session:
        rows = await session.execute(
            text(
                "SELECT c.args->>'labels', c.ok, n.role FROM node_commands c JOIN nodes n ON n.uuid = c.node_id "
                "WHERE n.cluster_id = :cluster AND c.name = 'label-nodes'"
            ),
            {"cluster": view.cluster},
        )
        assert [tuple(row) for row in rows] == [("tier=gold", True, "master")]

    asked = await view.client.call("DELETE", f"{groups}/gpu")
    assert asked.status_code == 204, asked.text
    assert (await view.group("gpu"))["status"] == "DELETE_IN_PROGRESS"
    assert await view.settled() == "UPDATE_COMPLETE"
    await view.is_whole(0)
    assert (await view.client.call("GET", f"{groups}/gpu")).status_code == 404
    assert await view.stacks("gpu") == {}
    types = [event["type"] for event in await view.client.events(view.cluster)]
    for verb in ("create", "update", "delete"):
        assert f"io.jeroboam.nodegroup.{verb}.completed.v1" in types


async def test_two_nodegroups_at_the_same_time(made: Any) -> None:
    """As a declarative client does it: both created, one changed and one resized, both deleted, without a wait."""
    view = await made("declared", 1)
    groups = f"/v1/clusters/{view.cluster}/nodegroups"
    names = ("gpu-pool", "GPU_pool")

    async def both(method: str, **body: Any) -> None:
        answers = await asyncio.gather(*(
            view.client.call(method, groups if method == "POST" else f"{groups}/{name}",
                             **({"json": {"name": name, **body}} if method == "POST" else {}))
            for name in names
        ))  # fmt: skip
        assert all(answer.status_code in (202, 204) for answer in answers), [answer.text for answer in answers]
        assert await view.settled() == "UPDATE_COMPLETE", (await view.shown())["status_reason"]

    await both("POST", node_count=2)
    for name in names:
        assert (await view.group(name))["status"] == "CREATE_COMPLETE"
        await view.is_whole(0, 1, group=name)
    await both("DELETE")
    await view.is_whole(0)
    for name in names:
        assert (await view.client.call("GET", f"{groups}/{name}")).status_code == 404


async def test_a_delete_overtakes_a_resize(client: Client, scale: Scaling, clouds: OpenStackCloudFactory) -> None:
    view = View(client, clouds, await client.create("cut-short", node_count=1))
    assert await view.settled() == "CREATE_COMPLETE"
    await scale.resize(view.cluster, 5)
    await asyncio.sleep(1)
    await view.vanishes()
