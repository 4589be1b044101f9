"""What administrators type: `openstack coe quotas|stats|service`, what only they may do to templates and clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from services.api.deps import Deps
from tests.support.coe import Coe, running_coe
from tests.support.served_api import api_fixture, cloud_fixture, finish

pytestmark = pytest.mark.timeout(600)
PORT = free_port()
TEMPLATE = "--coe kubernetes --image ubuntu-24.04 --external-network public --flavor m1.small"


openstack = cloud_fixture(PORT)
api = api_fixture(PORT, provisioner=True)


@pytest.fixture
async def admin(openstack: TestCloud, api: Deps, tmp_path: Path) -> AsyncIterator[Coe]:
    async with running_coe(openstack.environment("admin", "admin"), tmp_path) as client:
        yield client


@pytest.fixture
async def user(openstack: TestCloud, api: Deps, tmp_path: Path) -> AsyncIterator[Coe]:
    async with running_coe(openstack.environment(), tmp_path) as client:
        yield client


async def test_quotas_and_statistics(openstack: TestCloud, admin: Coe, user: Coe) -> None:
    demo = openstack.project_ids["demo"]
    which = f"--project-id {demo} --resource Cluster"
    assert (await admin(f"quotas create {which} --hard-limit 3")).table()["hard_limit"] == "3"
    again = (await admin(f"quotas create {which}")).output  # magnumclient ends with 0 where it tells of a failure
    assert f"Quota for project {demo} already exists for resource Cluster" in again
    assert (await admin(f"quotas update {which} --hard-limit 4")).table()["hard_limit"] == "4"
    assert demo in (await admin("quotas list --all-tenants")).ok()
    assert demo not in (await admin("quotas list")).ok(), "an administrator's own project has none"
    assert (await user(f"quotas show {which}")).table()["hard_limit"] == "4"
    (await user("quotas list")).refused("Policy doesn't allow quota:get_all to be performed")
    assert "has been accepted" in (await admin(f"quotas delete {which}")).ok()
    assert (
        f"Quota could not be found: project_id {demo} resource Cluster"
        in (await admin(f"quotas delete {which}")).output
    )
    assert (await user(f"stats list {demo}")).table() == {"Property": "Value", "clusters": "0", "nodes": "0"}


async def test_services(admin: Coe, user: Coe) -> None:
    (row,) = (await admin.started("service list -f json")).json()
    expected = {"id": 1, "host": "machine:7", "binary": "magnum-conductor", "state": "up", "disabled": False}
    assert {name: row[name] for name in expected} == expected
    assert list(row) == ["id", "host", "binary", "state", "disabled", "disabled_reason", "created_at", "updated_at"]
    (await user.started("service list")).refused("Policy doesn't allow magnum-service:get_all to be performed")


async def test_publishing_templates_and_seeing_all_projects(admin: Coe, user: Coe, api: Deps) -> None:
    (await admin(f"cluster template create shared {TEMPLATE} --public --master-lb-enabled")).ok()
    (await user("cluster create theirs --cluster-template shared")).ok()
    (row,) = (await admin("cluster list -f json")).json()
    await finish(api, row["uuid"])
    assert row["name"] == "theirs"
    hidden = (await admin("cluster template update shared --hidden -f json")).json()
    assert (hidden["public"], hidden["hidden"]) == (True, True)
    assert (await user("cluster template list -f json")).json() == []
    assert (await admin("cluster resize theirs 2")).status == 0
    assert (await user("cluster show theirs -f value -c node_count")).ok().strip() == "2"
