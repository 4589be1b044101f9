"""An imported cluster's whole life here, through the command and the API: shown, configured, and taken away with its
stacks, which Magnum made and which carry none of our marks.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.layout import service_environment
from sandbox.openstack.identity.people import known_id
from sandbox.run import Sandbox
from shared.cloud.contract import Cloud
from tests.support.client import Client
from tests.support.cloud_view import cloud_of
from tests.support.csr import make_csr
from tests.support.magnum_database import MagnumDatabase
from tests.support.sandboxes import module_client, module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]
PROJECT, USER = known_id("project", "demo"), known_id("user", "demo")
JEROBOAM = Path(sys.executable).with_name("jeroboam")
NETWORK = {
    "network": {"type": "OS::Neutron::Net", "properties": {"name": "magnum-made"}},
    "subnet": {
        "type": "OS::Neutron::Subnet",
        "properties": {"network": {"get_resource": "network"}, "cidr": "10.9.0.0/24"},
    },
}


QUICK = {"JEROBOAM_POLL_SECONDS": "0.5"}
sandbox = module_sandbox(extra_environment={"provisioner": QUICK})
client = module_client()


@pytest_asyncio.fixture(loop_scope="module")
async def cloud(sandbox: Sandbox) -> AsyncIterator[Cloud]:
    async with cloud_of(sandbox.layout) as clouds:
        yield clouds.for_project(PROJECT)


@pytest.fixture
def magnum(tmp_path: Path) -> Iterator[MagnumDatabase]:
    database = MagnumDatabase(tmp_path / "magnum.sqlite")
    yield database
    database.close()


async def import_magnum(sandbox: Sandbox, magnum: MagnumDatabase, *arguments: str) -> tuple[int, str]:
    """Exit status and standard output of the command as an operator types it."""
    environment = service_environment(sandbox.layout, sandbox.database_url) | {"PATH": os.environ["PATH"]}
    done = await asyncio.to_thread(
        subprocess.run,
        [str(JEROBOAM), "import-magnum", "--database", magnum.url, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


async def make_stack(cloud: Cloud, name: str, resources: dict[str, Any]) -> str:
    """A stack as Magnum's: without a tag; waits until Heat has built it."""
    template = {"heat_template_version": "2018-08-31", "resources": resources}
    made = await cloud.create_stack(name, template, tags=[], timeout_minutes=10)
    async with asyncio.timeout(60):
        while (found := await cloud.find_stack(made.id)) is not None and found.in_progress:
            await asyncio.sleep(0.1)
    assert found is not None
    assert found.complete, found.status_reason
    return made.id


async def test_an_imported_cluster_is_shown_configured_and_deleted(
    sandbox: Sandbox, client: Client, cloud: Cloud, magnum: MagnumDatabase
) -> None:
    base = await make_stack(cloud, "old-k2yx7dqoyuml", NETWORK)
    own = await make_stack(cloud, "old-gpu-q3ab", {"group": {"type": "OS::Nova::ServerGroup", "properties": {}}})
    owner: dict[str, Any] = {"project_id": PROJECT, "user_id": USER}
    uuid = magnum.cluster(magnum.template(**owner), stack_id=base, **owner)
    magnum.nodegroup(uuid, name="gpu", role="gpu", node_count=0, stack_id=own, status="CREATE_COMPLETE")

    status, output = await import_magnum(sandbox, magnum, "--dry-run", "--format", "json")
    told = json.loads(output)
    assert (status, told["dry_run"], told["counts"]["cluster"]) == (0, True, {"created": 1})
    assert (await client.get("/v1/clusters"))["clusters"] == []
    status, output = await import_magnum(sandbox, magnum)
    assert (status, "clusters: 1 created" in output, uuid in output) == (0, True, True), output

    shown = await client.get(f"/v1/clusters/{uuid}")
    assert {name: shown[name] for name in ("name", "status", "node_count", "master_count", "node_addresses")} == {
        "name": "old",
        "status": "CREATE_COMPLETE",
        "node_count": 1,
        "master_count": 1,
        "node_addresses": ["10.0.0.9"],
    }
    assert shown["cluster_id"] == base
    groups = (await client.get(f"/v1/clusters/{uuid}/nodegroups"))["nodegroups"]
    assert [group["name"] for group in groups] == ["default-master", "default-worker", "gpu"]
    authority = await client.get(f"/v1/certificates/{uuid}")
    asked = {"cluster_uuid": uuid, "csr": make_csr("admin", "system:masters")}
    signed = await client.call("POST", "/v1/certificates", json=asked)
    assert (signed.status_code, "BEGIN CERTIFICATE" in authority["pem"]) == (201, True), signed.text
    config = await client.get(f"/v1/clusters/{uuid}/config")
    assert shown["api_address"] in config["content"]

    refusals = {
        ("POST", "/actions/resize"): {"node_count": 3},
        ("POST", "/actions/upgrade"): {"cluster_template": "k8s-fcos"},
        ("POST", "/nodegroups"): {"name": "more"},
        ("PATCH", ""): [{"op": "replace", "path": "/node_count", "value": 3}],
    }
    for (method, path), body in refusals.items():
        refused = await client.call(method, f"/v1/clusters/{uuid}{path}", json=body)
        assert (refused.status_code, "not supported" in refused.text) == (400, True), (path, refused.text)
    for kind in ("certificates", "credentials"):
        refused = await client.call("PATCH", f"/v1/{kind}/{uuid}")
        assert (refused.status_code, "not supported" in refused.text) == (400, True), (kind, refused.text)
    assert await client.status(uuid) == "CREATE_COMPLETE"

    await client.delete(uuid)
    assert await client.settled(uuid) is None
    assert [await cloud.find_stack(base), await cloud.find_stack(own)] == [None, None]
    status, output = await import_magnum(sandbox, magnum, "--format", "json")
    kept = [thing for thing in json.loads(output)["things"] if thing["kind"] == "cluster"]
    assert (status, [(thing["outcome"], thing["notes"]) for thing in kept]) == (
        0,
        [("kept", ["it was deleted in Jeroboam after it was imported"])],
    )
    assert (await client.get("/v1/clusters"))["clusters"] == []


async def test_stacks_that_are_gone_already_hold_nothing_up(
    sandbox: Sandbox, client: Client, magnum: MagnumDatabase
) -> None:
    owner: dict[str, Any] = {"project_id": PROJECT, "user_id": USER}
    uuid = magnum.cluster(magnum.template(**owner), status="CREATE_FAILED", status_reason="no valid host", **owner)
    assert (await import_magnum(sandbox, magnum))[0] == 0
    shown = await client.get(f"/v1/clusters/{uuid}")
    assert (shown["status"], shown["status_reason"]) == ("CREATE_FAILED", "no valid host")
    await client.delete(uuid)
    assert await client.settled(uuid) is None


async def test_the_exit_status_says_what_was_refused_and_what_went_wrong(
    sandbox: Sandbox, magnum: MagnumDatabase
) -> None:
    magnum.cluster(magnum.template(), status="UPDATE_IN_PROGRESS")
    status, output = await import_magnum(sandbox, magnum, "--dry-run")
    assert (status, "1 refused" in output, "Dry run" in output) == (3, True, True), output
    magnum.execute("DROP TABLE nodegroup")
    assert await import_magnum(sandbox, magnum) == (1, "")
