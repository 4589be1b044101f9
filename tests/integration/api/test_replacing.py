"""Upgrades to another image: which machines are replaced, and what is refused in the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.cloud.types import QuotaLine
from shared.db.engine import Database
from tests.support.memory_api import TEMPLATE, MemoryApi, detail, memory_api
from tests.support.memory_cloud import MemoryCloud

KEPT = {"upgrade_strategy": "in_place"}
WORKERS = {"upgrade_strategy": "workers"}


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url) as api:
        yield api


async def template(api: MemoryApi, name: str, **labels: str) -> None:
    """One that names the image by its ID, which the cluster's own does not."""
    body = TEMPLATE | {"name": name, "image_id": "i1", "labels": labels}
    answer = await api.client.post("/v1/clustertemplates", json=body)
    assert answer.status_code == 201, answer.text


async def upgrade(api: MemoryApi, **body: Any) -> httpx.Response:
    headers = {"OpenStack-API-Version": "container-infra latest"}
    return await api.client.post("/v1/clusters/c1/actions/upgrade", json=body, headers=headers)


async def older(api: MemoryApi, **fields: Any) -> str:
    """A cluster whose nodes have another image than the template's name means now."""
    cluster = await api.built(**fields)
    await api.sql("UPDATE nodegroups SET image_id = 'i0'")
    return cluster


async def replaced(api: MemoryApi, cluster: str) -> dict[str, str]:
    """Nodegroup's name -> the image of its new machines."""
    groups = (await api.client.get(f"/v1/clusters/{cluster}/nodegroups")).json()["nodegroups"]
    names = {group["uuid"]: group["name"] for group in groups}
    images = (await api.operation(cluster))["params"].get("images", {})
    return {names[uuid]: image for uuid, image in images.items()}


async def test_workers_alone_and_none(api: MemoryApi) -> None:
    cluster = await older(api, node_count=2)
    await template(api, "t2", **WORKERS)
    assert (await upgrade(api, cluster_template="t2")).status_code == 202
    assert await replaced(api, cluster) == {"default-worker": "i1"}
    await api.end_operation(cluster)
    await template(api, "t3", **KEPT)
    assert (await upgrade(api, cluster_template="t3")).status_code == 202
    assert await replaced(api, cluster) == {}


async def test_the_image_of_the_clusters_own_template_is_the_same_one(api: MemoryApi) -> None:
    cluster = await older(api)
    assert (await upgrade(api, cluster_template="t1")).status_code == 202
    assert await replaced(api, cluster) == {}


async def test_a_single_master_without_a_load_balancer_keeps_its_machine(api: MemoryApi) -> None:
    cluster = await older(api, master_lb_enabled=False)
    await template(api, "t2", upgrade_strategy="replace")
    answer = await upgrade(api, cluster_template="t2")
    text = (
        "Cluster Template is not valid for upgrade: Label upgrade_strategy: masters cannot be replaced: the address of "
        "the API belongs to the machine of the single master (master_lb_enabled is false). auto and workers keep the "
        "machines of masters, in_place those of all nodes."
    )
    assert (answer.status_code, detail(answer)) == (409, text)
    await template(api, "t3")
    assert (await upgrade(api, cluster_template="t3")).status_code == 202
    assert await replaced(api, cluster) == {"default-worker": "i1"}


async def test_another_nodegroup_follows_the_default_workers_but_keeps_an_image_of_its_own(api: MemoryApi) -> None:
    cluster = await api.built()
    for body in ({"name": "follows"}, {"name": "own", "image_id": "i1"}):
        made = await api.client.post("/v1/clusters/c1/nodegroups", json=body)
        assert made.status_code == 202, made.text
        await api.end_operation(cluster)
    await api.sql("UPDATE nodegroups SET image_id = 'i0' WHERE NOT is_default")
    assert (await upgrade(api, cluster_template="t1", nodegroup="follows")).status_code == 202
    assert await replaced(api, cluster) == {"follows": "i1"}
    await api.end_operation(cluster)
    assert (await upgrade(api, cluster_template="t1", nodegroup="own")).status_code == 202
    assert await replaced(api, cluster) == {}


async def test_what_an_interrupted_upgrade_has_left_is_replaced(api: MemoryApi) -> None:
    cluster = await api.built(node_count=2)
    await template(api, "t2", **WORKERS)
    await api.sql("UPDATE nodes SET image_id = 'i0' WHERE role = 'worker' AND index = 1")
    assert (await upgrade(api, cluster_template="t2")).status_code == 202
    assert await replaced(api, cluster) == {"default-worker": "i1"}


async def test_there_is_room_for_the_additional_machines(api: MemoryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def quotas(self: MemoryCloud) -> dict[str, QuotaLine]:
        return {"instances": QuotaLine("instances", limit=4, used=3)}

    await older(api, node_count=2)
    await template(api, "t2", **WORKERS)
    monkeypatch.setattr(MemoryCloud, "quotas", quotas)
    refused = await upgrade(api, cluster_template="t2", max_batch_size=2)
    assert refused.status_code == 403
    assert "Quota exceeded for instances: 2 needed, 3 of 4 in use" in detail(refused)
    assert (await upgrade(api, cluster_template="t2")).status_code == 202
