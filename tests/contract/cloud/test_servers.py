"""What Nova says of servers, and what Heat makes of a server that was deleted behind its back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.cloud.contract import Cloud
from shared.cloud.types import InventoryItem
from shared.domain.ids import new_id


async def test_a_server_is_listed_by_its_mark_or_its_id(cloud: Cloud, stacks: Any, shard: Any, cluster_id: str) -> None:
    made = await stacks.create(shard(0))
    await stacks.settled(made.id)
    (server,) = await cloud.list_servers(cluster_id=cluster_id)
    assert server.launched_at is not None
    assert abs(server.launched_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert not server.deleting
    assert [each.id for each in await cloud.list_marked_servers(ids=[server.id])].count(server.id) == 1
    assert server.id in [each.id for each in await cloud.list_marked_servers()]
    assert await cloud.find_server(server.id) == server
    assert await cloud.find_server(new_id()) is None
    assert await cloud.find_node_server(server.name, node_id="node-0") == server
    assert await cloud.find_node_server(server.name, node_id="node-1") is None
    assert await cloud.find_node_server(server.name[:-1], node_id="node-0") is None
    assert isinstance(await cloud.console_output(server.id, lines=10), str)


async def test_heat_does_not_notice_a_deleted_server_and_deletes_it_without_an_error(
    cloud: Cloud, stacks: Any, shard: Any, cluster_id: str, eventually: Callable[..., Awaitable[None]]
) -> None:
    made = await stacks.create(shard(0, 1))
    await stacks.settled(made.id)
    servers = {each.name: each for each in await cloud.list_servers(cluster_id=cluster_id)}
    lost = servers["node-0"]
    await cloud.delete_leftover(InventoryItem("server", lost.id, lost.name))

    async def gone() -> bool:
        return await cloud.find_server(lost.id) is None

    await eventually(gone)
    tags = [stacks.tag, "shard"]
    await cloud.update_stack(made.id, shard(0, 1, 2), tags=tags, timeout_minutes=10)
    assert (await stacks.settled(made.id)).status == "UPDATE_COMPLETE"
    left = {each.name for each in await cloud.list_servers(cluster_id=cluster_id)}
    assert left == {"node-1", "node-2"}
    await cloud.update_stack(made.id, shard(1, 2), tags=tags, timeout_minutes=10)
    assert (await stacks.settled(made.id)).status == "UPDATE_COMPLETE"
    kept = {each.name: each.id for each in await cloud.list_servers(cluster_id=cluster_id)}
    assert kept["node-1"] == servers["node-1"].id
