"""A database that Debian's Magnum (Zed) made, migrated and filled, in MariaDB; and a stack as Magnum's on a real Heat.

Rule: the rows and certificates are written by that Magnum's own code; the stack belongs to the user, nested stacks and
all, and is taken away by Jeroboam's service user.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.cloud.sdk import OpenStackCloudFactory

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(900),
    # openstacksdk warns of its own support for InfluxDB, whoever connects, and of its own certificate resource.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
]
Coe = Callable[..., Awaitable[str]]
Api = Callable[..., Awaitable[httpx.Response]]

ROWS = Path(__file__).parents[1] / "support" / "magnum_rows.py"
JEROBOAM = Path(sys.executable).with_name("jeroboam")
# Debian's Python has Debian's Magnum.
MAGNUM_PYTHON = "/usr/bin/python3"
TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "network": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "network"}, "cidr": "10.77.0.0/24"},
        },
        "kube_minions": {
            "type": "OS::Heat::ResourceGroup",
            "depends_on": "subnet",
            "properties": {
                "count": 2,
                "resource_def": {"type": "OS::Neutron::Port", "properties": {"network": {"get_resource": "network"}}},
            },
        },
    },
}


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def identity(place: dict[str, Any]) -> tuple[str, str]:
    """A token of the first user's, and the user's id."""
    user = {"name": place["users"]["one"], "domain": {"name": place["domain"]}, "password": place["password"]}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": place["projects"]["one"]}},
    }
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.post(f"{place['auth_url']}/auth/tokens", json={"auth": auth})
    return answer.headers["X-Subject-Token"], answer.json()["token"]["user"]["id"]


async def test_a_cluster_of_zed(
    coe: Coe,
    api: Api,
    place: dict[str, Any],
    settings: dict[str, str],
    factory: OpenStackCloudFactory,
    tmp_path: Path,
) -> None:
    project = place["projects"]["one"]
    token, user = await identity(place)
    theirs, cloud = factory.for_token(token, project), factory.for_project(project)
    made = await theirs.create_stack(f"from-magnum-{uuid4().hex[:8]}", TEMPLATE, tags=[], timeout_minutes=10)
    end = time.monotonic() + 300
    while (stack := await cloud.find_stack(made.id)) is not None and stack.in_progress:
        assert time.monotonic() < end
        await asyncio.sleep(2)
    assert stack is not None
    assert stack.complete, stack.status_reason
    nested = {each.name: each.physical_id for each in await cloud.stack_resources(made.id)}["kube_minions"]

    configuration = place["magnum"]["configuration"]
    arguments = [MAGNUM_PYTHON, str(ROWS), configuration, project, user, made.id]
    uuid = (await asyncio.to_thread(run, arguments, {"PYTHONWARNINGS": "ignore"})).split()[-1]
    command = [str(JEROBOAM), "import-magnum", "--project", project, "--format", "json"]
    environment = settings | {"MAGNUM_DATABASE_URL": place["magnum"]["database"]}
    told = json.loads(await asyncio.to_thread(run, command, environment))
    (line,) = [thing for thing in told["things"] if thing["uuid"] == uuid]
    assert (line["outcome"], line["whole"]) == ("created", True)
    assert "trustee-of-the-cluster" in str(line["notes"])

    shown = json.loads(await coe("cluster", "show", uuid, "-f", "json"))
    assert (shown["name"], shown["status"], shown["node_count"]) == ("from-magnum", "CREATE_COMPLETE", 2)
    await coe("cluster", "config", uuid, "--dir", str(tmp_path), "--output-certs")
    certificates = [str(tmp_path / name) for name in ("ca.pem", "cert.pem")]
    await asyncio.to_thread(run, ["openssl", "verify", "-CAfile", *certificates], {})

    await coe("cluster", "delete", uuid)
    end = time.monotonic() + 300
    while (answer := await api("GET", f"/v1/clusters/{uuid}")).status_code == 200:
        assert not answer.json()["status"].endswith("FAILED"), answer.text
        assert time.monotonic() < end, answer.text
        await asyncio.sleep(1)
    assert [await cloud.find_stack(made.id), await cloud.find_stack(nested)] == [None, None]
    again = json.loads(await asyncio.to_thread(run, command, environment))
    assert [thing["outcome"] for thing in again["things"] if thing["uuid"] == uuid] == ["kept"]
