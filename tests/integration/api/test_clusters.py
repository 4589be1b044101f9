"""Clusters: accepted, listed, shown, deleted."""

from __future__ import annotations

from typing import Any

import httpx


async def test_a_cluster_is_in_progress_before_the_202_leaves(
    user: httpx.AsyncClient, template: dict[str, Any]
) -> None:
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


async def test_reduced_and_detail_sets_by_version(
    user: httpx.AsyncClient, login: Any, template: dict[str, Any]
) -> None:
    uuid = (await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})).json()["uuid"]
    old = await login(version="1.12")
    new = (await user.get("/v1/clusters")).json()["clusters"][0]
    before = (await old.get("/v1/clusters")).json()["clusters"][0]
    assert set(new) - set(before) == {"cluster_id"}
    assert set(before) - set(new) == {"stack_id"}
    assert set(before) == {
        *("uuid", "name", "cluster_template_id", "keypair", "docker_volume_size", "labels", "node_count"),
        *("master_count", "status", "health_status", "master_flavor_id", "flavor_id", "create_timeout", "links"),
        *("merge_labels", "stack_id"),
    }
    assert new["links"] == [
        {"href": f"http://api.test/v1/clusters/{uuid}", "rel": "self"},
        {"href": f"http://api.test/clusters/{uuid}", "rel": "bookmark"},
    ]
    detailed = (await user.get("/v1/clusters/detail")).json()["clusters"]
    assert detailed == [(await user.get(f"/v1/clusters/{uuid}")).json()]
    assert "faults" not in detailed[0]
    assert (await user.get(f"/v1/clusters/{uuid}/detail")).status_code == 404


async def test_pages_follow_each_other(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    names = ["b", "a", "d", "c"]
    for name in names:
        await user.post("/v1/clusters", json={"name": name, "cluster_template_id": "k8s"})
    for sort_dir, expected in (("asc", sorted(names)), ("desc", sorted(names, reverse=True))):
        seen: list[str] = []
        url = f"/v1/clusters?limit=1&sort_key=name&sort_dir={sort_dir}"
        while url:
            page = (await user.get(url)).json()
            seen += [cluster["name"] for cluster in page["clusters"]]
            url = page.get("next", "")
        assert seen == expected
    by_null = (await user.get("/v1/clusters?limit=2&sort_key=health_status")).json()
    rest = (await user.get(by_null["next"])).json()
    assert len(rest["clusters"]) == 2
    assert {each["uuid"] for each in by_null["clusters"]}.isdisjoint(each["uuid"] for each in rest["clusters"])


async def test_bad_pages_are_refused(user: httpx.AsyncClient) -> None:
    for query in ("limit=0", "limit=x", "sort_dir=up", "sort_key=spec", "marker=x", "foo=1"):
        answer = await user.get(f"/v1/clusters?{query}")
        assert answer.status_code == 400, query
    assert (await user.get("/v1/clusters?marker=0190a000-0000-7000-8000-000000000000")).status_code == 404


async def test_a_name_that_is_not_unique(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    for _ in range(2):
        await user.post("/v1/clusters", json={"name": "twin", "cluster_template_id": "k8s"})
    answer = await user.get("/v1/clusters/twin")
    assert answer.status_code == 409
    assert answer.json()["errors"][0] == {
        "request_id": "",
        "code": "client",
        "status": 409,
        "title": "Multiple clusters exist with same name",
        "detail": "Multiple clusters exist with same name. Please use the cluster uuid instead.",
        "links": [],
    }


async def test_others_see_nothing_and_admins_all(user: httpx.AsyncClient, login: Any, template: dict[str, Any]) -> None:
    uuid = (await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})).json()["uuid"]
    stranger = await login("alt", "alt")
    assert (await stranger.get("/v1/clusters")).json() == {"clusters": []}
    for path in ("", "/nodes", "/nodegroups", "/operations", "/config"):
        assert (await stranger.get(f"/v1/clusters/{uuid}{path}")).status_code == 404
    assert (await stranger.delete(f"/v1/clusters/{uuid}")).status_code == 404
    assert (await stranger.get("/v1/events")).json()["events"] == []
    assert (await stranger.get("/v1/operations")).json()["operations"] == []
    reader = await login("reader", "demo")
    assert (await reader.get(f"/v1/clusters/{uuid}")).status_code == 200
    refused = await reader.delete(f"/v1/clusters/{uuid}")
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["detail"] == "Policy doesn't allow cluster:delete to be performed."
    admin = await login("admin", "admin")
    assert len((await admin.get("/v1/clusters")).json()["clusters"]) == 1
    assert (await admin.delete(f"/v1/clusters/{uuid}")).status_code == 204


async def test_delete_is_accepted_again_and_again(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    uuid = (await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})).json()["uuid"]
    for _ in range(2):
        assert (await user.delete("/v1/clusters/c1")).status_code == 204
        assert (await user.get("/v1/clusters/c1")).json()["status"] == "DELETE_IN_PROGRESS"
    operations = (await user.get("/v1/operations")).json()["operations"]
    assert {operation["kind"]: operation["state"] for operation in operations} == {
        "create": "cancelled",
        "delete": "queued",
    }
    log = (await user.get(f"/v1/events?cluster={uuid}")).json()["events"]
    assert [int(event["sequence"]) for event in log] == list(range(1, len(log) + 1))
    assert [event["type"].split(".", 2)[2] for event in log] == [
        "cluster.create.requested.v1",
        "cluster.create.cancelled.v1",
        "cluster.delete.requested.v1",
    ]
