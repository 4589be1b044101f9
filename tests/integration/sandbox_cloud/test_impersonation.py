"""Nodes of a Nova that runs none itself are run beside it, from its servers' user data."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.nodes.agent import NodeTimes
from sandbox.nodes.fleet import Fleet, WellBehaved
from sandbox.nodes.impersonate import impersonate
from sandbox.nodes.memory import NodeMemory
from sandbox.nodes.nova import Nova
from sandbox.openstack.app import serving
from sandbox.openstack.testing import TestCloud


def api(reports: list[tuple[str, str, Any]]) -> Starlette:
    async def answer(request: Request) -> Response:
        node, path = request.path_params["node"], request.path_params["rest"]
        if path == "credential":
            return JSONResponse({"credential": "own"})
        if path == "bootstrap":
            return JSONResponse({"script": "", "files": [], "revision": "v1"})
        if path == "commands":
            await asyncio.sleep(0.05)
            return JSONResponse({"commands": []})
        body = await request.json()
        reports.append((node, body["kind"], body.get("addresses")))
        return Response(status_code=204)

    return Starlette(routes=[Route("/v1/nodes/{node}/{rest:path}", answer, methods=["GET", "POST"])])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_nodes_of_clusters_live_as_long_as_their_servers(cloud: TestCloud) -> None:
    reports: list[tuple[str, str, Any]] = []
    servers = cloud.cloud.servers

    def boot(name: str, url: str, metadata: dict[str, str]) -> str:
        environment = f"JEROBOAM_URL={url}\nJEROBOAM_NODE_ID={name}\nJEROBOAM_TOKEN=x\n"
        files = [{"path": "/etc/jeroboam/agent.env", "content": environment}]
        text = "#cloud-config\n" + json.dumps({"write_files": files})
        fields = {"name": name, "flavorRef": "2", "networks": [{"uuid": network}], "metadata": metadata}
        fields["user_data"] = base64.b64encode(text.encode()).decode()
        return str(servers.create(cloud.project_ids["demo"], cloud.user_ids["demo"], fields, {})["id"])

    neutron = cloud.cloud.neutron.networks
    network = neutron.create_network(cloud.project_ids["demo"], {})["id"]
    neutron.create_subnet(cloud.project_ids["demo"], {"network_id": network, "cidr": "10.0.0.0/24"})
    nova = Nova(cloud.environment("admin", "admin"))
    fleet = Fleet(NodeMemory(), WellBehaved(), NodeTimes(scale=0.1))
    async with serving(api(reports)) as url:
        node = boot("node", url, {"jeroboam_cluster": "c"})
        boot("stranger", url, {})
        work = asyncio.create_task(impersonate(nova, fleet, every=0.1))
        await until(lambda: ("node", "joined", None) in reports)
        assert ("node", "announced", ["10.0.0.2"]) in reports
        assert fleet.machine_ids == {node}
        servers.delete(node)
        await until(lambda: not fleet.machine_ids)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await fleet.close()
    await nova.close()
    assert {name for name, _, _ in reports} == {"node"}
