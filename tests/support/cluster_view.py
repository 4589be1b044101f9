"""A cluster as a test of scaling sees it: through the API, in the cloud, and in the event log."""

from __future__ import annotations

from typing import Any

from shared.cloud.names import shard_stack
from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.client import Client
from tests.support.cloud_view import left_behind

WORKERS = "default-worker"


class View:
    """One cluster, seen from all sides."""

    def __init__(self, client: Client, clouds: OpenStackCloudFactory, cluster: str) -> None:
        self.client = client
        self.clouds = clouds
        self.cluster = cluster

    async def settled(self) -> str | None:
        return await self.client.settled(self.cluster, 240)

    async def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.client.get(f"/v1/clusters/{self.cluster}")
        return found

    async def nodes(self, group: str = WORKERS) -> dict[int, dict[str, Any]]:
        """Index -> the node, of one nodegroup."""
        nodes = (await self.client.get(f"/v1/clusters/{self.cluster}/nodes"))["nodes"]
        return {node["index"]: node for node in nodes if node["nodegroup"] == group}

    async def servers(self) -> dict[str, str]:
        """What Nova has: server id -> name."""
        cloud = self.clouds.for_project((await self.shown())["project_id"])
        return {server.id: server.name for server in await cloud.list_servers(cluster_id=self.cluster)}

    async def stacks(self, group: str = WORKERS) -> dict[int, str]:
        """Shard -> its stack's id, of one nodegroup."""
        project = (await self.shown())["project_id"]
        listed = await self.clouds.for_project(project).list_stacks(tag=f"jeroboam-cluster-{self.cluster}")
        names = {shard_stack(self.cluster, group, number): number for number in range(10)}
        return {names[stack.name]: stack.id for stack in listed if stack.name in names}

    async def group(self, name: str = WORKERS) -> dict[str, Any]:
        found: dict[str, Any] = await self.client.get(f"/v1/clusters/{self.cluster}/nodegroups/{name}")
        return found

    async def told(self, word: str) -> list[dict[str, Any]]:
        """The data of all events of one type, e.g. `node.removed`."""
        found = await self.client.events(self.cluster)
        return [event["data"] for event in found if event["type"] == f"io.jeroboam.{word}.v1"]

    async def is_whole(self, *indexes: int, group: str = WORKERS) -> None:
        """These nodes and no others have joined, and each server in the cloud belongs to one."""
        nodes = await self.nodes(group)
        assert sorted(nodes) == list(indexes)
        assert {node["state"] for node in nodes.values()} <= {"joined"}
        everybody = (await self.client.get(f"/v1/clusters/{self.cluster}/nodes"))["nodes"]
        assert {node["server_id"]: node["name"] for node in everybody} == await self.servers()
        first = min((await self.stacks(group)).items(), default=(0, None))[1]
        assert (await self.group(group))["stack_id"] == first

    async def retried(self) -> None:
        operation = (await self.client.operations(self.cluster))[0]["uuid"]
        response = await self.client.call("POST", f"/v1/operations/{operation}/retry")
        assert response.status_code == 202, response.text

    async def vanishes(self) -> None:
        project = (await self.shown())["project_id"]
        await self.client.delete(self.cluster)
        assert await self.settled() is None
        assert await left_behind(self.clouds, project, self.cluster) == []
