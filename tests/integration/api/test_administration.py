"""Quotas, statistics and services over the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from sandbox.openstack.testing import TestCloud
from services.api.deps import Deps
from shared.db.models import ServiceHeartbeat

REACHED = (
    "Resource limit exceeded: You have reached the maximum clusters per project, {}. "
    "You may delete a cluster to make room for a new one."
)


@pytest.fixture
async def admin(login: Any) -> httpx.AsyncClient:
    client: httpx.AsyncClient = await login("admin", "admin")
    return client


@pytest.fixture
def demo(openstack: TestCloud) -> str:
    return openstack.project_ids["demo"]


def detail(answer: httpx.Response) -> str:
    text: str = answer.json()["errors"][0]["detail"]
    return text


async def test_a_quota_from_first_to_last(admin: httpx.AsyncClient, user: httpx.AsyncClient, demo: str) -> None:
    default = {"project_id": demo, "resource": "Cluster", "hard_limit": 20}
    assert (await user.get(f"/v1/quotas/{demo}/Cluster")).json() == default

    created = await admin.post("/v1/quotas", json={"project_id": demo, "resource": "Cluster", "hard_limit": "5"})
    assert created.status_code == 201, created.text
    quota = created.json()
    assert quota == default | {"hard_limit": 5, "id": 1, "created_at": quota["created_at"], "updated_at": None}
    assert (await user.get(f"/v1/quotas/{demo}/Cluster")).json() == quota
    again = await admin.post("/v1/quotas", json={"project_id": demo})
    assert (again.status_code, detail(again)) == (409, f"Quota for project {demo} already exists for resource Cluster.")

    # magnumclient repeats the whole quota.
    changed = await admin.patch(f"/v1/quotas/{demo}/Cluster", json=default | {"hard_limit": 7})
    assert (changed.status_code, changed.json()["hard_limit"]) == (202, 7)
    assert changed.json()["updated_at"] is not None
    untouched = await admin.patch(f"/v1/quotas/{demo}/Cluster", json={})
    assert (untouched.status_code, untouched.json()["hard_limit"]) == (202, 7)

    assert (await admin.delete(f"/v1/quotas/{demo}/Cluster")).status_code == 204
    for gone in (
        await admin.delete(f"/v1/quotas/{demo}/Cluster"),
        await admin.patch(f"/v1/quotas/{demo}/Cluster", json={"hard_limit": 1}),
    ):
        assert gone.status_code == 404
        assert detail(gone) == f"Quota could not be found: project_id {demo} resource Cluster."
    assert (await user.get(f"/v1/quotas/{demo}/Cluster")).json() == default


async def test_what_no_quota_is_made_of(admin: httpx.AsyncClient, demo: str) -> None:
    field = "Invalid input for field/attribute {}. Value: '{}'. {}"
    for body, status, text in (
        ({}, 400, "Must provide a valid project ID."),
        ({"project_id": "nobody"}, 404, "The project_id nobody could not be found."),
        (
            {"project_id": demo, "hard_limit": -1},
            400,
            field.format("hard_limit", -1, "Value should be greater or equal to 0"),
        ),
        ({"project_id": demo, "resource": "X"}, 400, field.format("resource", "X", "Value should be one of: Cluster")),
        ({"project_id": demo, "foo": 1}, 400, "Unknown attribute for argument quota: foo"),
        ({"project_id": demo, "created_at": "x"}, 400, field.format("created_at", "x", "Cannot set read only field.")),
    ):
        answer = await admin.post("/v1/quotas", json=body)
        assert (answer.status_code, detail(answer)) == (status, text)
    assert (await admin.get("/v1/quotas?all_tenants=True")).json() == {"quotas": []}
    default = await admin.post("/v1/quotas", json={"project_id": demo, "hard_limit": None, "id": 77})
    assert (default.json()["hard_limit"], default.json()["resource"]) == (1, "Cluster")


async def test_quotas_in_pages(admin: httpx.AsyncClient, openstack: TestCloud) -> None:
    ids = openstack.project_ids
    for name, limit in (("demo", 3), ("alt", 1), ("admin", 2)):
        made = await admin.post("/v1/quotas", json={"project_id": ids[name], "hard_limit": limit})
        assert made.status_code == 201
    own = (await admin.get("/v1/quotas")).json()["quotas"]
    assert [each["project_id"] for each in own] == [ids["admin"]]
    first = (await admin.get("/v1/quotas?all_tenants=1&limit=2&sort_key=hard_limit&sort_dir=desc")).json()
    assert [each["hard_limit"] for each in first["quotas"]] == [3, 2]
    assert f"&limit=2&marker={first['quotas'][1]['id']}" in first["next"]
    second = (await admin.get(first["next"])).json()
    assert [each["hard_limit"] for each in second["quotas"]] == [1]
    assert "next" not in second
    unknown = await admin.get("/v1/quotas?marker=99")
    assert (unknown.status_code, detail(unknown)) == (404, "Quota could not be found: quota id 99 .")
    for query in ("marker=abc", "limit=0", "sort_key=foo", "sort_dir=up", "all_tenants=maybe", "foo=1"):
        assert (await admin.get(f"/v1/quotas?{query}")).status_code == 400, query


async def test_a_create_minds_the_quota(
    admin: httpx.AsyncClient, user: httpx.AsyncClient, template: dict[str, Any], demo: str
) -> None:
    await admin.post("/v1/quotas", json={"project_id": demo, "hard_limit": 1})
    body = {"cluster_template_id": template["uuid"]}
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    refused = await user.post("/v1/clusters", json=body)
    assert (refused.status_code, detail(refused)) == (403, REACHED.format(1))
    await admin.patch(f"/v1/quotas/{demo}/Cluster", json={"hard_limit": 2})
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    await admin.patch(f"/v1/quotas/{demo}/Cluster", json={"hard_limit": 0})
    assert detail(await user.post("/v1/clusters", json=body)) == REACHED.format(0)


async def test_whose_quotas_and_statistics(
    user: httpx.AsyncClient, login: Any, openstack: TestCloud, template: dict[str, Any], admin: httpx.AsyncClient
) -> None:
    mine, other = openstack.project_ids["demo"], openstack.project_ids["alt"]
    body = {"cluster_template_id": template["uuid"], "node_count": 2, "master_count": 3}
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    assert (await user.get("/v1/stats")).json() == {"clusters": 1, "nodes": 5}
    assert (await user.get(f"/v1/stats?project_id={mine}&type=Cluster")).json() == {"clusters": 1, "nodes": 5}
    stranger = await login("alt", "alt")
    assert (await stranger.get("/v1/stats")).json() == {"clusters": 0, "nodes": 0}
    for path in (f"/v1/stats?project_id={other}", f"/v1/quotas/{other}/Cluster"):
        refused = await user.get(path)
        assert (refused.status_code, detail(refused)) == (403, "Not authorized.")
    assert (await admin.get("/v1/stats")).json() == {"clusters": 1, "nodes": 5}
    assert (await admin.get(f"/v1/stats?project_id={other}")).json() == {"clusters": 0, "nodes": 0}
    wrong = await user.get("/v1/stats?type=pod")
    assert (wrong.status_code, detail(wrong)) == (400, "Invalid stats type. Allowed values are 'cluster'")


async def test_provisioners_are_one_conductor(admin: httpx.AsyncClient, deps: Deps) -> None:
    assert (await admin.get("/v1/mservices")).json() == {"mservices": []}
    async with deps.db.transaction() as session:
        for process, name, host in (
            ("1", "provisioner", "a:1"),
            ("2", "provisioner", "b:1"),
            ("3", "monitor", "c:1"),
        ):
            session.add(ServiceHeartbeat(process_id=process, service=name, host=host, beats=3))

    async def shown() -> dict[str, Any]:
        (service,) = (await admin.get("/v1/mservices/")).json()["mservices"]
        found: dict[str, Any] = service
        return found

    async def silent(process: str, seconds: int) -> None:
        """As if its last word were `seconds` ago."""
        async with deps.db.transaction() as session:
            beat = deps.clock() - timedelta(seconds=seconds)
            await session.execute(
                update(ServiceHeartbeat).where(ServiceHeartbeat.process_id == process).values(beat_at=beat)
            )

    service = await shown()
    assert (service["id"], service["binary"], service["state"]) == (1, "magnum-conductor", "up")
    assert (service["report_count"], service["disabled"], service["disabled_reason"]) == (6, False, None)
    await silent("1", 200)
    service = await shown()
    assert (service["state"], service["host"]) == ("up", "b:1")
    await silent("2", 170)
    assert (await shown())["state"] == "up"
    await silent("2", 181)
    assert (await shown())["state"] == "down"
