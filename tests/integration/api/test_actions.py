"""resize, upgrade and rotations: accepted, refused in Magnum's words, visible in the statuses at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.cloud.types import QuotaLine
from shared.db.engine import Database
from tests.support.memory_api import TEMPLATE, MemoryApi, detail, memory_api
from tests.support.memory_cloud import MemoryCloud


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url, max_nodes_per_cluster=500) as api:
        yield api


async def resize(api: MemoryApi, *, version: str = "latest", cluster: str = "c1", **body: Any) -> httpx.Response:
    headers = {"OpenStack-API-Version": f"container-infra {version}"}
    return await api.client.post(f"/v1/clusters/{cluster}/actions/resize", json=body, headers=headers)


async def upgrade(api: MemoryApi, *, version: str = "latest", cluster: str = "c1", **body: Any) -> httpx.Response:
    headers = {"OpenStack-API-Version": f"container-infra {version}"}
    return await api.client.post(f"/v1/clusters/{cluster}/actions/upgrade", json=body, headers=headers)


async def test_nodes_to_remove_by_whatever_name(api: MemoryApi) -> None:
    cluster = await api.built(node_count=4)
    await api.sql("UPDATE nodes SET server_id = 'ab' || uuid WHERE cluster_id = :uuid", uuid=cluster)
    nodes = (await api.client.get(f"/v1/clusters/{cluster}/nodes?nodegroup=default-worker")).json()["nodes"]
    first, second, third, fourth = nodes
    names = [str(first["index"]), second["name"], third["uuid"], fourth["server_id"].upper()]
    assert (await resize(api, node_count=0, nodes_to_remove=names)).status_code == 202
    params = (await api.operation(cluster))["params"]
    assert params["nodes_to_remove"] == sorted(node["uuid"] for node in nodes)


async def test_unknown_nodes_are_named(api: MemoryApi) -> None:
    cluster = await api.built(node_count=2)
    master = (await api.client.get(f"/v1/clusters/{cluster}/nodes?nodegroup=default-master")).json()["nodes"][0]
    answer = await resize(api, node_count=1, nodes_to_remove=["0", "7", master["uuid"]])
    text = f"Nodegroup default-worker has no nodes 7, {master['uuid']}."
    assert (answer.status_code, detail(answer)) == (400, text)
    assert (await api.operation(cluster))["kind"] == "create"


async def test_bounds_and_masters(api: MemoryApi) -> None:
    await api.built()
    await api.sql("UPDATE nodegroups SET min_node_count = 1, max_node_count = 3 WHERE name = 'default-worker'")
    text = "Resizing default-worker outside the allowed range: min_node_count = 1, max_node_count = 3"
    for count in (0, 4):
        answer = await resize(api, node_count=count)
        assert (answer.status_code, detail(answer)) == (400, text)
    masters = await resize(api, node_count=3, nodegroup="default-master")
    assert detail(masters) == "Resizing the master nodegroup is not supported by this driver."
    assert (await resize(api, node_count=3, nodegroup="none")).status_code == 404
    zero = await resize(api, node_count=0, version="1.9")
    assert detail(zero) == "Resizing a nodegroup to zero is not supported in the provided microversion."
    old = await resize(api, node_count=2, version="1.6")
    assert (old.status_code, detail(old)) == (406, "")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "Invalid input for field/attribute node_count. Value: 'None'. Mandatory field missing."),
        ({"node_count": None}, "Invalid input for field/attribute node_count. Value: 'None'. Mandatory field missing."),
        ({"node_count": 1, "foo": 1}, "Unknown attribute for argument cluster_resize_req: foo"),
        (None, 'Missing argument: "cluster_resize_req"'),
        (
            {"node_count": "x"},
            "Invalid input for field/attribute cluster_resize_req. Value: '{'node_count': 'x'}'. "
            "invalid literal for int() with base 10: 'x'",
        ),
    ],
)
async def test_malformed_resizes(api: MemoryApi, body: Any, text: str) -> None:
    answer = await api.client.post("/v1/clusters/c1/actions/resize", json=body)
    assert (answer.status_code, detail(answer)) == (400, text)


async def test_growth_is_held_against_quotas_and_limits(api: MemoryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def quotas(_cloud: MemoryCloud) -> dict[str, QuotaLine]:
        return {"instances": QuotaLine("instances", 10, 2), "cores": QuotaLine("cores", 100, 4)}

    await api.built()
    monkeypatch.setattr(MemoryCloud, "quotas", quotas)
    answer = await resize(api, node_count=10)
    text = "Resource limit exceeded: Quota exceeded for instances: 9 needed, 2 of 10 in use."
    assert (answer.status_code, detail(answer)) == (403, text)
    exceeded = (await api.client.get("/v1/events?type=quota.exceeded.v1")).json()["events"]
    assert exceeded[0]["data"] == {"resource": "instances", "limit": 10, "wanted": 11}
    assert detail(await resize(api, node_count=600)) == "A cluster may have at most 500 nodes."
    assert (await resize(api, node_count=9)).status_code == 202


async def test_a_resize_joins_one_that_is_live_and_waits_behind_another_kind(api: MemoryApi) -> None:
    cluster = await api.built()
    assert (await resize(api, node_count=2)).status_code == 202
    first = await api.operation(cluster)
    assert (await resize(api, node_count=3)).status_code == 202
    joined = await api.operation(cluster)
    assert (joined["uuid"], joined["params"]["node_count"]) == (first["uuid"], 3)
    worker = (await api.client.get("/v1/clusters/c1/nodegroups/default-worker")).json()["uuid"]
    assert [each["revision"] for each in (first, joined)] == [0, 1]
    assert [each["nodegroup_ids"] for each in (first, joined)] == [[worker], [worker]]

    await api.built("young")
    await api.sql("UPDATE operations SET state = 'queued', finished_at = NULL WHERE cluster_name = 'young'")
    await api.sql("UPDATE clusters SET status = 'CREATE_IN_PROGRESS', base_outputs = '{}' WHERE name = 'young'")
    assert (await resize(api, cluster="young", node_count=5)).status_code == 202
    assert (await api.client.get("/v1/clusters/young")).json()["node_count"] == 1


async def test_what_cannot_be_resized_is_told_what_to_do(api: MemoryApi) -> None:
    cluster = await api.built()
    await api.sql("UPDATE clusters SET status = 'CREATE_FAILED' WHERE uuid = :uuid", uuid=cluster)
    text = "Cluster c1 was never created completely: retry its create operation if it failed, or delete it."
    headless = await resize(api, node_count=2)
    assert (headless.status_code, detail(headless)) == (400, text)
    # With a master to join, whatever makes nodes come and go can finish what the create has left undone.
    await api.sql("UPDATE nodes SET state = 'joined' WHERE cluster_id = :uuid AND role = 'master'", uuid=cluster)
    credentials = await api.client.patch("/v1/credentials/c1")
    assert (credentials.status_code, detail(credentials)) == (400, text)
    assert (await resize(api, node_count=2)).status_code == 202
    assert (await api.statuses(cluster))["default-worker"] == "UPDATE_IN_PROGRESS"
    await api.end_operation(cluster, "CREATE_FAILED")
    assert (await api.client.post("/v1/clusters/c1/nodegroups", json={"name": "more"})).status_code == 202
    assert (await api.client.delete("/v1/clusters/c1")).status_code == 204
    deleting = await resize(api, node_count=2)
    assert (deleting.status_code, detail(deleting)) == (400, "Cluster c1 is being deleted.")


async def test_without_what_all_nodes_share_there_is_nothing_to_go_on_from(api: MemoryApi) -> None:
    cluster = await api.built()
    await api.sql("UPDATE clusters SET status = 'CREATE_FAILED', base_outputs = '{}' WHERE uuid = :uuid", uuid=cluster)
    await api.sql("UPDATE nodes SET state = 'joined' WHERE cluster_id = :uuid", uuid=cluster)
    assert (await resize(api, node_count=2)).status_code == 400


async def newer_template(api: MemoryApi, name: str = "t2", tag: str = "v1.34.9") -> str:
    body = TEMPLATE | {"name": name, "labels": {"kube_tag": tag}}
    answer = await api.client.post("/v1/clustertemplates", json=body)
    assert answer.status_code == 201, answer.text
    uuid: str = answer.json()["uuid"]
    return uuid


async def test_an_upgrade_of_the_default_nodegroups(api: MemoryApi) -> None:
    cluster, template = await api.built(), await newer_template(api)
    answer = await upgrade(api, cluster_template="t2", max_batch_size=2, nodegroup="default-worker")
    assert (answer.status_code, answer.json()) == (202, {"uuid": cluster})
    operation = await api.operation(cluster)
    assert operation["params"] == {
        "cluster_template_id": template,
        "max_batch_size": 2,
        "nodegroup": "default-worker",
    }
    assert set((await api.statuses(cluster)).values()) == {"UPDATE_IN_PROGRESS"}
    again = await upgrade(api, cluster_template="t2")
    text = 'Upgrading a cluster when status is "UPDATE_IN_PROGRESS" is not supported.'
    assert (again.status_code, detail(again)) == (400, text)
    await api.end_operation(cluster, "UPDATE_FAILED")
    assert (await upgrade(api, cluster_template="t2")).status_code == 202


async def test_refused_upgrades(api: MemoryApi) -> None:
    await api.built()
    await newer_template(api)
    await newer_template(api, "old", "v1.33.0")
    assert (await upgrade(api, cluster_template="none")).status_code == 404
    assert (await upgrade(api, cluster_template="t2", nodegroup="none")).status_code == 404
    missing = await upgrade(api)
    text = "Invalid input for field/attribute cluster_template. Value: 'None'. Mandatory field missing."
    assert (missing.status_code, detail(missing)) == (400, text)
    back = await upgrade(api, cluster_template="old")
    assert back.status_code == 400
    assert "v1.33.0 is older than the cluster's" in detail(back)
    soon = await upgrade(api, cluster_template="t2", version="1.7")
    assert detail(soon) == "Cluster upgrade is not supported in the provided microversion."
    assert (await upgrade(api, cluster_template="t2", version="1.6")).status_code == 406


async def test_an_upgrade_does_not_leave_a_nodegroup_too_far_behind(api: MemoryApi) -> None:
    cluster = await api.built()
    made = await api.client.post("/v1/clusters/c1/nodegroups", json={"name": "old", "labels": {"kube_tag": "v1.31.0"}})
    assert made.status_code == 202, made.text
    await api.end_operation(cluster)
    await newer_template(api, "next", "v1.35.0")
    answer = await upgrade(api, cluster_template="next")
    text = "Nodegroup old, which is not upgraded with its cluster: label kube_tag: nodes of v1.31.0 cannot join API "
    assert (answer.status_code, detail(answer)[: len(text)]) == (400, text)
    assert (await upgrade(api, cluster_template="t1", nodegroup="old")).status_code == 202


async def test_another_nodegroup_follows_its_clusters_template(api: MemoryApi) -> None:
    cluster = await api.built()
    await newer_template(api)
    made = await api.client.post("/v1/clusters/c1/nodegroups", json={"name": "more"})
    assert made.status_code == 202
    await api.end_operation(cluster)
    answer = await upgrade(api, cluster_template="t2", nodegroup="more")
    text = "Cluster Template is not valid for upgrade: Nodegroup more can be upgraded only to match cluster's "
    assert (answer.status_code, detail(answer)) == (409, f"{text}template (t1).")
    assert (await upgrade(api, cluster_template="t1", nodegroup="more")).status_code == 202
    statuses = await api.statuses(cluster)
    assert statuses == {
        "cluster": "UPDATE_IN_PROGRESS",
        "default-master": "CREATE_COMPLETE",
        "default-worker": "CREATE_COMPLETE",
        "more": "UPDATE_IN_PROGRESS",
    }


async def test_rotations(api: MemoryApi) -> None:
    cluster = await api.built()
    octets = {"Content-Type": "application/octet-stream"}
    rotated = await api.client.patch("/v1/credentials/c1", headers=octets)
    assert (rotated.status_code, rotated.json()) == (202, {"uuid": cluster})
    assert (await api.operation(cluster))["kind"] == "rotate_credentials"
    again = await api.client.patch("/v1/credentials/c1")
    assert (again.status_code, detail(again)) == (
        400,
        'Updating a cluster when status is "UPDATE_IN_PROGRESS" is not supported.',
    )
    old = await api.client.patch("/v1/credentials/c1", headers={"OpenStack-API-Version": "container-infra 1.11"})
    assert old.status_code == 406


async def test_a_cluster_without_tls_has_no_authorities_to_rotate(api: MemoryApi) -> None:
    await api.built()
    await api.sql("UPDATE cluster_templates SET tls_disabled = true")
    answer = await api.client.patch("/v1/certificates/c1", headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 400
    assert "non-TLS cluster" in detail(answer)
