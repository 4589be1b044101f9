"""Cluster templates over the wire."""

from __future__ import annotations

from typing import Any

import httpx


async def test_created_listed_shown_patched_and_deleted(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    assert template["cluster_distro"] == "ubuntu"
    assert template["network_driver"] == "flannel"
    assert template["floating_ip_enabled"] is True
    assert template["volume_driver"] is None
    listed = (await user.get("/v1/clustertemplates/")).json()["clustertemplates"]
    assert listed == [template]
    assert (await user.get("/clustertemplates/k8s")).json() == template

    patch = [
        {"op": "replace", "path": "/labels", "value": "{'a': 'b'}"},
        {"op": "add", "path": "/labels/c", "value": "d"},
        {"op": "replace", "path": "/docker_volume_size", "value": "5"},
        {"op": "remove", "path": "/flavor_id"},
    ]
    answer = await user.patch("/v1/clustertemplates/k8s", json=patch)
    assert answer.status_code == 200, answer.text
    patched = answer.json()
    assert patched["labels"] == {"a": "b", "c": "d"}
    assert (patched["docker_volume_size"], patched["flavor_id"]) == (5, None)
    assert patched["updated_at"] is not None

    assert (await user.delete(f"/v1/clustertemplates/{template['uuid']}")).status_code == 204
    assert (await user.get("/v1/clustertemplates/k8s")).status_code == 404


async def test_a_template_in_use_is_protected(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    accepted = await user.post("/v1/clusters", json={"cluster_template_id": "k8s"})
    assert accepted.status_code == 202, accepted.text
    refused = await user.patch(
        "/v1/clustertemplates/k8s", json=[{"op": "replace", "path": "/coe", "value": "kubernetes"}]
    )
    assert refused.status_code == 200, "nothing changes, so nothing is refused"

    change = [{"op": "replace", "path": "/dns_nameserver", "value": "8.8.4.4"}]
    for answer in (
        await user.patch("/v1/clustertemplates/k8s", json=change),
        await user.delete("/v1/clustertemplates/k8s"),
    ):
        assert answer.status_code == 400
        expected = f"ClusterTemplate {template['uuid']} is referenced by one or multiple clusters."
        assert answer.json()["errors"][0]["detail"] == expected
    renamed = await user.patch("/v1/clustertemplates/k8s", json=[{"op": "replace", "path": "/name", "value": "new"}])
    assert renamed.json()["name"] == "new"
