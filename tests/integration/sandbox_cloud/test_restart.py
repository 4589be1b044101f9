"""State survives a restart with a data directory, and interrupted work goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import httpx

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import running_cloud
from sandbox.ports import free_port

NODE: dict[str, Any] = {
    "net": {"type": "OS::Neutron::Net", "properties": {"name": "n"}},
    "sub": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "net"}, "cidr": "10.0.0.0/24"}},
    "port": {"type": "OS::Neutron::Port", "properties": {"network": {"get_resource": "net"}}},
    "node": {
        "type": "OS::Nova::Server",
        "properties": {"name": "node", "flavor": "m1.small", "networks": [{"port": {"get_resource": "port"}}]},
    },
}


async def test_a_stack_in_progress_is_finished_after_a_restart(tmp_path: Path) -> None:
    from_start = CloudConfig(scale=0.1, agents=False, data_dir=tmp_path)
    async with running_cloud(from_start) as cloud:
        cloud.cloud.faults.put({"behaviours": {"stuck": ["c/net"]}})
        client = await _log_in(cloud)
        await client.post(_stacks(cloud), json=_body("c"))
        await client.post(_stacks(cloud), json=_body("d"))
        await _until(client, cloud, "d", "CREATE_COMPLETE")
        token = client.headers["X-Auth-Token"]
        await client.aclose()
    async with running_cloud(from_start) as cloud:
        client = httpx.AsyncClient(base_url=cloud.url, headers={"X-Auth-Token": token}, follow_redirects=True)
        await _until(client, cloud, "c", "CREATE_COMPLETE")
        servers = (await client.get("/compute/v2.1/servers/detail")).json()["servers"]
        assert [row["status"] for row in servers] == ["ACTIVE", "ACTIVE"]
        quota = (await client.get(f"/compute/v2.1/os-quota-sets/{cloud.project_ids['demo']}/detail")).json()
        assert quota["quota_set"]["instances"]["in_use"] == 2
        # Addresses held before the restart are still held.
        ports = (await client.get("/network/v2.0/ports")).json()["ports"]
        addresses = [(port["network_id"], port["fixed_ips"][0]["ip_address"]) for port in ports]
        assert len(set(addresses)) == len(addresses)
        await client.aclose()


async def test_the_process_answers_soon_and_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    arguments = ["-m", "sandbox.openstack", "--port", str(port), "--data-dir", str(tmp_path), "--no-agents"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while True:
                try:
                    answer = await client.get("/identity/v3")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
        assert answer.json()["version"]["id"] == "v3.14"
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert (tmp_path / "cloud.sqlite").exists()


def _stacks(cloud: Any) -> str:
    return f"/orchestration/v1/{cloud.project_ids['demo']}/stacks"


def _body(name: str) -> dict[str, Any]:
    return {"stack_name": name, "template": {"heat_template_version": "2018-08-31", "resources": NODE}}


async def _log_in(cloud: Any) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=cloud.url, follow_redirects=True)
    user = {"name": "demo", "password": cloud.password, "domain": {"id": "default"}}
    scope = {"project": {"id": cloud.project_ids["demo"]}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = await client.post("/identity/v3/auth/tokens", json=auth)
    client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return client


async def _until(client: httpx.AsyncClient, cloud: Any, name: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            shown: dict[str, Any] = (await client.get(f"{_stacks(cloud)}/{name}")).json()["stack"]
            if shown["stack_status"] == status:
                return shown
            await asyncio.sleep(0.02)
