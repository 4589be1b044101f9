"""Simulated servers run agents that speak the protocol to a real listening API."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.nodes.agent import NodeTimes
from sandbox.openstack.app import serving
from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import TestCloud, running_cloud

QUICK = NodeTimes(heartbeat=0.05, poll=1)


@dataclass
class Api:
    """The node side of Jeroboam's API, as far as an agent sees it."""

    credentials: dict[str, str] = field(default_factory=dict)
    reports: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    commands: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    results: dict[str, Any] = field(default_factory=dict)
    master_joined: bool = True
    exchanges: int = 0
    refuse: int = 0
    deaf_to: str = ""  # a kind of report that is answered with 503
    url: str = ""

    def kinds(self, node: str) -> list[str]:
        return [report["kind"] for report in self.reports[node]]

    async def credential(self, request: Request) -> Response:
        node = request.path_params["node"]
        self.exchanges += 1
        if self.refuse:
            self.refuse -= 1
            return Response(status_code=503)
        if request.headers.get("x-jeroboam-token") != f"once-{node}" or node in self.credentials:
            return Response(status_code=401)
        self.credentials[node] = f"own-{node}"
        return JSONResponse({"credential": self.credentials[node]})

    async def answer(self, request: Request) -> Response:
        node, path = request.path_params["node"], request.path_params["rest"]
        if request.headers.get("authorization") != f"Bearer own-{node}" or node not in self.credentials:
            return Response(status_code=401)
        if path == "reports":
            said = await request.json()
            if said["kind"] == self.deaf_to:
                return Response(status_code=503)
            self.reports[node].append(said)
            return Response(status_code=204)
        if path == "bootstrap":
            if not self.master_joined:
                return Response(status_code=425, headers={"Retry-After": "0"})
            if "joined" in self.kinds(node):
                return Response(status_code=403)
            return JSONResponse({"script": "#!/bin/sh\n", "files": [], "revision": "v1.34.1"})
        if path == "commands":
            await asyncio.sleep(0.01)
            return JSONResponse({"commands": self.commands.pop(node, [])})
        self.results[path.split("/")[1]] = await request.json()
        return Response(status_code=204)


@asynccontextmanager
async def api_running() -> AsyncIterator[Api]:
    api = Api()
    app = Starlette(
        routes=[
            Route("/v1/nodes/{node}/credential", api.credential, methods=["POST"]),
            Route("/v1/nodes/{node}/{rest:path}", api.answer, methods=["GET", "POST"]),
        ]
    )
    async with serving(app) as url:
        api.url = url
        yield api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_running() as running:
        yield running


@asynccontextmanager
async def cloud_with_agents(data_dir: Path | None = None) -> AsyncIterator[TestCloud]:
    async with running_cloud(CloudConfig(scale=0.05, nodes=QUICK, data_dir=data_dir)) as cloud:
        yield cloud


def server(cloud: TestCloud, api: Api, name: str, node: str | None = None) -> str:
    """Boot a node; its id in the API is its name, unless given."""
    node = node or name
    environment = f"JEROBOAM_URL={api.url}\nJEROBOAM_NODE_ID={node}\nJEROBOAM_TOKEN=once-{node}\n"
    files = [{"path": "/etc/jeroboam/agent.env", "permissions": "0600", "content": environment}]
    user_data = "#cloud-config\n" + json.dumps({"write_files": files})
    fields = {"name": name, "flavorRef": "2", "networks": "none"}
    fields["user_data"] = base64.b64encode(user_data.encode()).decode()
    row = cloud.cloud.servers.create(cloud.project_ids["demo"], cloud.user_ids["demo"], fields, {})
    return row["id"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_node_announces_itself_joins_and_stays_in_touch(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "heartbeat" in api.kinds("node-1"))
    reports = api.reports["node-1"]
    assert [report["kind"] for report in reports[:2]] == ["announced", "joined"]
    assert reports[1]["data"] == {"version": "v1.34.1"}
    assert next(r for r in reports if r["kind"] == "heartbeat")["data"] == {"healthy": True}


async def test_a_name_joins_once_while_its_machine_exists(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        first = server(cloud, api, "node-1")
        await until(lambda: "joined" in api.kinds("node-1"))
        server(cloud, api, "node-1", node="other")
        await until(lambda: "failed" in api.kinds("other"))
        assert "already exists in the cluster" in api.reports["other"][1]["reason"]
        cloud.cloud.servers.delete(first)
        await until(lambda: "heartbeat" in api.kinds("other"))
        api.commands["other"] = [{"id": "c1", "name": "bootstrap", "args": {}}]
        await until(lambda: "joined" in api.kinds("other"))


async def test_a_node_waits_for_its_turn(api: Api) -> None:
    api.master_joined = False
    async with cloud_with_agents() as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "announced" in api.kinds("node-1"))
        assert "joined" not in api.kinds("node-1")
        api.master_joined = True
        await until(lambda: "joined" in api.kinds("node-1"))


async def test_commands_are_carried_out_and_answered(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "joined" in api.kinds("node-1"))
        api.commands["node-1"] = [{"id": "c1", "name": "drain", "args": {}}]
        await until(lambda: "c1" in api.results)
    assert api.results["c1"] == {"ok": True, "output": "", "results": {}}


async def test_an_api_that_is_away_for_a_moment_is_asked_again(api: Api) -> None:
    api.refuse = 1
    async with cloud_with_agents() as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "joined" in api.kinds("node-1"))
    assert api.exchanges == 2


async def test_a_node_that_fails_to_join_says_why(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        cloud.cloud.faults.put({"behaviours": {"fail_join": ["node-2$"]}})
        server(cloud, api, "node-1")
        server(cloud, api, "node-2")
        await until(lambda: "joined" in api.kinds("node-1") and "failed" in api.kinds("node-2"))
    (failed,) = [report for report in api.reports["node-2"] if report["kind"] == "failed"]
    assert "kubeadm" in failed["reason"]


async def test_a_deleted_server_is_heard_of_no_more(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        row_id = server(cloud, api, "node-1")
        await until(lambda: "heartbeat" in api.kinds("node-1"))
        cloud.cloud.servers.delete(row_id)
        await until(lambda: row_id not in cloud.cloud.servers.rows)
        assert row_id not in cloud.cloud.hypervisor.machine_ids  # type: ignore[attr-defined]


async def test_a_restarted_cloud_goes_on_with_the_nodes_own_credentials(api: Api, tmp_path: Path) -> None:
    async with cloud_with_agents(tmp_path) as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "joined" in api.kinds("node-1"))
    api.reports.clear()
    async with cloud_with_agents(tmp_path):
        await until(lambda: "heartbeat" in api.kinds("node-1"))
    assert "announced" not in api.kinds("node-1")
    assert api.exchanges == 1


async def test_a_node_that_joined_and_could_not_tell_tells_it_after_a_restart(api: Api, tmp_path: Path) -> None:
    api.deaf_to = "joined"
    async with cloud_with_agents(tmp_path) as cloud:
        server(cloud, api, "node-1")
        await until(lambda: "announced" in api.kinds("node-1"))
        await asyncio.sleep(0.5)
    assert "joined" not in api.kinds("node-1")
    api.deaf_to = ""
    async with cloud_with_agents(tmp_path):
        await until(lambda: "joined" in api.kinds("node-1"))
    api.reports.clear()
    async with cloud_with_agents(tmp_path):
        await until(lambda: "heartbeat" in api.kinds("node-1"))
    assert "announced" not in api.kinds("node-1"), "it has nothing more to tell"


async def test_many_nodes_join_at_once(api: Api) -> None:
    async with cloud_with_agents() as cloud:
        names = [f"node-{number}" for number in range(120)]
        for name in names:
            server(cloud, api, name)
        await until(lambda: all("joined" in api.kinds(name) for name in names))
    assert len(api.credentials) == len(names)
