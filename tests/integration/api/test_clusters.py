"""Clusters: accepted, listed, shown, deleted."""

from __future__ import annotations

from typing import Any

import httpx


async def test_a_cluster_is_in_progress_before_the_202_leaves(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    answer = await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s", "node_count": 2})
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"uuid"}

    shown = (await user.get("/v1/clusters/c1")).json()

    assert shown["uuid"] == answer.json()["uuid"]
    assert shown["status"] == "CREATE_IN_PROGRESS"
    assert (shown["node_count"], shown["master_count"]) == (2, 1)
    assert shown["cluster_template_id"] == template["uuid"]
    assert shown["labels"] == {"kube_tag": "v1.34.1"}
    assert shown["health_status"] is None
    groups = (await user.get("/v1/clusters/c1/nodegroups")).json()["nodegroups"]
    assert [group["name"] for group in groups] == ["default-master", "default-worker"]
    assert {group["status"] for group in groups} == {"CREATE_IN_PROGRESS"}
