"""How many requests to the real services a request of the API causes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.cloud.sdk import OpenStackCloudFactory
from tests.support.cloud_queries import cloud_queries
from tests.support.real_cluster import Api, Coe, gone, make_template

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(600)]

# One each: the flavors, the key pair and the limits of Nova; the image; the external network and the quotas of Neutron.
COLD = {"compute": 3.0, "image": 1.0, "network": 2.0}
QUOTAS = {"compute": 1.0, "network": 1.0}
CACHE_SECONDS, QUOTA_SECONDS = 60, 5


async def test_a_post_asks_for_each_resource_once_and_then_for_none(
    coe: Coe, api: Api, place: dict[str, Any], factory: OpenStackCloudFactory
) -> None:
    await make_template(coe, place)
    await asyncio.sleep(CACHE_SECONDS + 1)  # the template was checked with the same resources
    body = {"cluster_template_id": "k8s", "master_count": 1, "node_count": 1}
    made: list[str] = []

    async def post(name: str) -> dict[str, float]:
        before = await cloud_queries(api)
        answer = await api("POST", "/v1/clusters", json=body | {"name": name})
        assert answer.status_code == 202, answer.text
        made.append(answer.json()["uuid"])
        after = await cloud_queries(api)
        return {
            service: count - before.get(service, 0) for service, count in after.items() if count != before.get(service)
        }

    try:
        assert await post("first") == COLD
        assert await post("second") == {}
        await asyncio.sleep(QUOTA_SECONDS + 1)
        assert await post("third") == QUOTAS
    finally:
        for uuid in made:
            await api("DELETE", f"/v1/clusters/{uuid}")
        for uuid in made:
            await gone(api, uuid, 600)
    await coe("cluster", "template", "delete", "k8s")
    cloud = factory.for_project(place["projects"]["one"])
    for uuid in made:
        assert await cloud.inventory(cluster_id=uuid) == []
