"""Clients that nobody here wrote: `openstack coe` as a subprocess and openstacksdk, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import openstack as openstacksdk
import pytest
import uvicorn
from cryptography import x509
from sqlalchemy import update

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import TestCloud, running_cloud
from sandbox.ports import free_port
from services.api.app import create_app
from services.api.deps import Deps
from shared.db.models import Cluster
from shared.drivers.registry import find_driver
from shared.pki.cluster_secrets import ensure_cluster_secrets
from tests.support.csr import make_csr

Coe = Callable[..., Awaitable[tuple[int, str]]]
PORT = free_port()


@pytest.fixture
async def openstack() -> AsyncIterator[TestCloud]:
    config = CloudConfig(scale=0.1, agents=False, container_infra_url=f"http://127.0.0.1:{PORT}/v1")
    async with running_cloud(config) as cloud:
        yield cloud


@pytest.fixture
async def api(deps: Deps) -> AsyncIterator[Deps]:
    """The API on a real port, at the address the catalogue names."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(deps), host="127.0.0.1", port=PORT, log_config=None, lifespan="on")
    )
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield deps
    server.should_exit = True
    await serving


@pytest.fixture
async def coe(openstack: TestCloud, api: Deps, tmp_path: Path) -> Coe:
    """coe("cluster", "list", "-f", "json") -> exit status and output."""

    async def run(*arguments: str) -> tuple[int, str]:
        command = Path(sys.executable).with_name("openstack")
        process = await asyncio.create_subprocess_exec(
            str(command),
            "coe",
            *arguments,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "SHELL": "/bin/sh", "HOME": str(tmp_path), **openstack.environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, output.decode()

    return run


async def finish(deps: Deps, uuid: str) -> None:
    """What the provisioner would have done by now, as far as these clients look."""
    driver = find_driver("kubernetes", "ubuntu", "vm")
    assert driver is not None
    await ensure_cluster_secrets(deps.db, deps.sealer, cluster_id=uuid, cluster_name="c1", kinds=driver.secrets)
    async with deps.db.transaction() as session:
        values = {"api_address": "https://203.0.113.7:6443", "status": "CREATE_COMPLETE"}
        await session.execute(update(Cluster).where(Cluster.uuid == uuid).values(**values))


TEMPLATE = ("--coe", "kubernetes", "--image", "ubuntu-24.04", "--external-network", "public", "--flavor", "m1.small")


async def test_the_command_line_client(coe: Coe, api: Deps, tmp_path: Path) -> None:
    status, output = await coe("cluster", "template", "create", "k8s", *TEMPLATE, "--labels", "a=b", "-f", "json")
    assert status == 0, output
    listed = json.loads((await coe("cluster", "template", "list", "-f", "json"))[1])
    assert [row["name"] for row in listed] == ["k8s"]
    status, output = await coe("cluster", "template", "update", "k8s", "replace", "tags=x,y")
    shown = json.loads((await coe("cluster", "template", "show", "k8s", "-f", "json"))[1])
    assert shown["labels"] in ({"a": "b"}, "{'a': 'b'}"), shown

    status, output = await coe("cluster", "create", "c1", "--cluster-template", "k8s", "--node-count", "2")
    assert status == 0, output
    assert "Request to create cluster" in output
    rows = json.loads((await coe("cluster", "list", "-f", "json"))[1])
    assert [(row["name"], row["node_count"], row["status"]) for row in rows] == [("c1", 2, "CREATE_IN_PROGRESS")]
    await finish(api, rows[0]["uuid"])
    status, output = await coe("cluster", "show", "c1", "-f", "json")
    assert json.loads(output)["status"] == "CREATE_COMPLETE", output

    status, output = await coe("cluster", "config", "c1", "--dir", str(tmp_path), "--force", "--output-certs")
    assert status == 0, output
    assert "BEGIN CERTIFICATE" in (tmp_path / "cert.pem").read_text()
    assert "203.0.113.7" in (tmp_path / "config").read_text()
    status, output = await coe("ca", "show", "c1")
    assert (status, "BEGIN CERTIFICATE" in output) == (0, True), output
    (tmp_path / "ops.csr").write_text(make_csr("ops", "operators"))
    status, output = await coe("ca", "sign", "c1", str(tmp_path / "ops.csr"))
    assert status == 0, output
    assert x509.load_pem_x509_certificate(output.encode()).subject.rfc4514_string() == "O=operators,CN=ops"
    groups = json.loads((await coe("nodegroup", "list", "c1", "-f", "json"))[1])
    assert [group["name"] for group in groups] == ["default-master", "default-worker"]

    status, output = await coe("cluster", "template", "delete", "k8s")
    assert "is referenced by one or multiple clusters" in output
    status, output = await coe("cluster", "delete", "c1")
    assert status == 0, output
    status, output = await coe("cluster", "show", "nothing")
    assert (status, "Cluster nothing could not be found" in output) == (1, True), output


@pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning")
async def test_the_python_sdk(openstack: TestCloud, api: Deps) -> None:
    environment = openstack.environment()

    def use() -> dict[str, Any]:
        connection = openstacksdk.connect(
            auth_url=environment["OS_AUTH_URL"],
            username=environment["OS_USERNAME"],
            password=environment["OS_PASSWORD"],
            project_name=environment["OS_PROJECT_NAME"],
            user_domain_name="Default",
            project_domain_name="Default",
            region_name=environment["OS_REGION_NAME"],
        )
        proxy = connection.container_infrastructure_management
        template = proxy.create_cluster_template(
            name="k8s",
            coe="kubernetes",
            image_id=openstack.image,
            flavor_id=openstack.flavor,
            external_network_id=openstack.external_network,
        )
        renamed = proxy.update_cluster_template(template, name="k9s")
        cluster = proxy.create_cluster(name="c1", cluster_template_id=template.id, node_count=1)
        found = proxy.find_cluster("c1")
        listed = [each.name for each in proxy.clusters()]
        proxy.delete_cluster(found)
        status = proxy.get_cluster(cluster.id).status
        connection.close()
        return {"renamed": renamed.name, "found": found.uuid == cluster.id, "listed": listed, "status": status}

    seen = await asyncio.to_thread(use)
    assert seen == {"renamed": "k9s", "found": True, "listed": ["c1"], "status": "DELETE_IN_PROGRESS"}


async def test_the_socket_is_closed_while_nobody_asks(api: Deps) -> None:
    """A client that goes away in the middle of a body leaves no trace."""
    _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"POST /v1/nodes/x/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{PORT}/livez")
    assert answer.status_code == 200
