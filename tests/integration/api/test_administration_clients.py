"""What administrators type: `openstack coe quotas|stats|service` as a subprocess, and openstacksdk's services."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import openstack as openstacksdk
import pytest
import uvicorn

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import TestCloud, running_cloud
from sandbox.ports import free_port
from services.api.app import create_app
from services.api.deps import Deps
from shared.db.models import ServiceHeartbeat

PORT = free_port()


@pytest.fixture
async def openstack() -> AsyncIterator[TestCloud]:
    config = CloudConfig(scale=0.1, agents=False, container_infra_url=f"http://127.0.0.1:{PORT}/v1")
    async with running_cloud(config) as cloud:
        yield cloud


@pytest.fixture
async def api(deps: Deps) -> AsyncIterator[Deps]:
    """The API at the address the catalogue names; a provisioner has just been heard of."""
    async with deps.db.transaction() as session:
        session.add(ServiceHeartbeat(process_id="1", service="provisioner", host="machine:7"))
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


async def coe(cloud: TestCloud, *arguments: str, user: str = "admin", project: str = "admin") -> tuple[int, str]:
    """Exit status and output of `openstack coe ...`."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("openstack")),
        "coe",
        *arguments,
        env={"PATH": os.environ["PATH"], **cloud.environment(user, project)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


def table(output: str) -> dict[str, str]:
    """A two-column table of magnumclient, which takes no output format for these commands."""
    rows = [line.strip("| \n").split("|") for line in output.splitlines() if line.startswith("|")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


async def test_quotas_and_statistics(openstack: TestCloud, api: Deps) -> None:
    demo = openstack.project_ids["demo"]
    which = ("--project-id", demo, "--resource", "Cluster")
    status, output = await coe(openstack, "quotas", "create", *which, "--hard-limit", "3")
    assert (status, table(output)["hard_limit"]) == (0, "3"), output
    _, output = await coe(openstack, "quotas", "create", *which)
    assert f"Quota for project {demo} already exists for resource Cluster" in output
    status, output = await coe(openstack, "quotas", "update", *which, "--hard-limit", "4")
    assert (status, table(output)["hard_limit"]) == (0, "4"), output
    status, output = await coe(openstack, "quotas", "list", "--all-tenants")
    assert (status, demo in output) == (0, True), output
    assert demo not in (await coe(openstack, "quotas", "list"))[1], "an administrator's own project has none"
    status, output = await coe(openstack, "quotas", "show", *which, user="demo", project="demo")
    assert (status, table(output)["hard_limit"]) == (0, "4"), output
    status, output = await coe(openstack, "quotas", "delete", *which)
    assert (status, "has been accepted" in output) == (0, True), output
    _, output = await coe(openstack, "quotas", "delete", *which)
    assert f"Quota could not be found: project_id {demo} resource Cluster" in output
    status, output = await coe(openstack, "stats", "list", demo, user="demo", project="demo")
    assert (status, table(output)) == (0, {"Property": "Value", "clusters": "0", "nodes": "0"}), output


async def test_services(openstack: TestCloud, api: Deps) -> None:
    status, output = await coe(openstack, "service", "list", "-f", "json")
    assert status == 0, output
    (row,) = json.loads(output)
    assert {name: row[name] for name in ("id", "host", "binary", "state", "disabled")} == {
        "id": 1,
        "host": "machine:7",
        "binary": "magnum-conductor",
        "state": "up",
        "disabled": False,
    }
    status, output = await coe(openstack, "service", "list", user="demo", project="demo")
    assert (status, "Policy doesn't allow magnum-service:get_all to be performed" in output) == (1, True), output


@pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning")
async def test_services_of_the_python_sdk(openstack: TestCloud, api: Deps) -> None:
    environment = openstack.environment("admin", "admin")

    def use() -> tuple[list[tuple[str, str, int]], list[str]]:
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
        services = [(each.binary, each.state, each.report_count) for each in proxy.services()]
        listed = [each.host for each in connection.list_magnum_services()]
        connection.close()
        return services, listed

    assert await asyncio.to_thread(use) == ([("magnum-conductor", "up", 1)], ["machine:7"])
