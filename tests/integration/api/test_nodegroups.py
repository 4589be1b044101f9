"""Nodegroups: made, changed, deleted; Magnum's refusals; statuses that show at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.db.engine import Database
from tests.support.memory_api import MemoryApi, change, detail, memory_api

URL = "/v1/clusters/c1/nodegroups"


@pytest.fixture
async def api(database: Database, database_url: str) -> AsyncIterator[MemoryApi]:
    async with memory_api(database, database_url) as api:
        yield api


async def make(api: MemoryApi, **body: Any) -> httpx.Response:
    return await api.client.post(f"{URL}/", json={"name": "more", **body})


async def test_a_nodegroup_takes_after_its_cluster(api: MemoryApi) -> None:
    cluster = await api.built(labels={"a": "1", "b": "2"})
    answer = await make(api, node_count=2, max_node_count=5, labels={"b": "3"}, merge_labels=True, role="gpu")
    assert answer.status_code == 202, answer.text
    accepted, group = answer.json(), (await api.client.get(f"{URL}/more")).json()
    # Magnum answers with what it knew before it stored anything: no number, no status, no times.
    assert accepted.keys() == {
        *("uuid", "name", "cluster_id", "project_id", "labels", "links", "flavor_id", "image_id", "node_count"),
        *("role", "min_node_count", "max_node_count", "merge_labels"),
        *("labels_overridden", "labels_added", "labels_skipped"),
    }
    assert accepted == {name: group[name] for name in accepted}
    expected = {
        "cluster_id": cluster,
        "flavor_id": "small",
        "image_id": "i1",
        "role": "gpu",
        "node_count": 2,
        "min_node_count": 0,
        "max_node_count": 5,
        "is_default": False,
        "labels": {"a": "1", "b": "3"},
        "labels_overridden": {"b": "2"},
        "labels_added": {},
        "labels_skipped": {},
        "merge_labels": False,
        "node_labels": {},
        "node_taints": [],
        "stack_id": None,
        "status": "CREATE_IN_PROGRESS",
    }
    assert {name: group[name] for name in expected} == expected
    assert await api.statuses(cluster) == {
        "cluster": "UPDATE_IN_PROGRESS",
        "default-master": "CREATE_COMPLETE",
        "default-worker": "CREATE_COMPLETE",
        "more": "CREATE_IN_PROGRESS",
    }
    operation = await api.operation(cluster)
    assert (operation["kind"], operation["params"]) == ("nodegroup_create", {"nodegroup": "more", "node_count": 2})
    assert [group["name"] for group in (await api.client.get(f"{URL}?role=gpu")).json()["nodegroups"]] == ["more"]


TAINT = {"key": "a", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"name": None}, 400, "Invalid input for field/attribute name. Value: 'None'. Mandatory field missing."),
        (
            {"name": "default-worker"},
            409,
            "A node group with name default-worker already exists in the cluster c1.",
        ),
        (
            {"node_count": 3, "max_node_count": 2},
            409,
            "max_node_count for more is invalid (node_count (3) should be less or equal to max_node_count (2)).",
        ),
        (
            {"node_count": 1, "min_node_count": 2},
            409,
            "min_node_count for more is invalid (min_node_count (2) should be less or equal to node_count (1)).",
        ),
        ({"role": "master"}, 400, "Creating master nodegroups is currently not supported."),
        ({"role": "bootstrap"}, 400, "Nodegroups of the role bootstrap are created with their cluster."),
        (
            {"role": "master", "node_labels": {"a": "b"}},
            409,
            "node_labels for more is invalid (node_labels may not be set on master nodegroups).",
        ),
        ({"node_labels": {"x.k8s.io/a": "b"}}, 409, "node_labels for more is invalid (node label 'x.k8s.io/a' is in"),
        (
            {"node_taints": [{"key": "a"}]},
            409,
            "node_taints for more is invalid (node_taints[0].effect must be one of NoSchedule, PreferNoSchedule, "
            "NoExecute).",
        ),
        ({"node_taints": [{"effect": "NoSchedule"}]}, 409, "node_taints for more is invalid (node_taints[0].key is re"),
        (
            {"node_taints": [TAINT | {"foo": "1"}]},
            409,
            "node_taints for more is invalid (node_taints[0] contains unrecognised field(s) foo; allowed fields are "
            "key, value, effect).",
        ),
        (
            {"node_labels": {"tier": "data science"}},
            409,
            "node_labels for more is invalid (the value 'data science' of",
        ),
        ({"node_labels": {"a --all": "b"}}, 409, "node_labels for more is invalid (key 'a --all' must be at most 63"),
        (
            {"node_taints": [TAINT | {"value": "a b"}]},
            409,
            "node_taints for more is invalid (node_taints[0].value 'a b'",
        ),
        (
            {"node_taints": [TAINT, TAINT]},
            409,
            "node_taints for more is invalid (node_taints[1] has the key and the ef",
        ),
        ({"flavor_id": "huge"}, 400, "Unable to find flavor huge."),
        ({"image_id": "none"}, 400, "Image none could not be found."),
        ({"foo": 1}, 400, "Unknown attribute for argument nodegroup: foo"),
        ({"stack_id": "x"}, 400, "Invalid input for field/attribute stack_id. Value: 'x'. Cannot set read only field."),
        ({"labels": {"boot_volume_size": "big"}}, 400, "label boot_volume_size: "),
        ({"labels": {"dns_cluster_domain": "b.local"}}, 400, "label dns_cluster_domain: b.local differs from the clus"),
        ({"labels": {"kube_tag": "v1.99.0"}}, 400, "label kube_tag: nodes of v1.99.0 cannot join API servers of v1.3"),
    ],
    ids=str,
)
async def test_refused(api: MemoryApi, body: dict[str, Any], status: int, text: str) -> None:
    cluster = await api.built()
    answer = await make(api, **body)
    assert (answer.status_code, detail(answer)[: len(text)]) == (status, text)
    assert set(await api.statuses(cluster)) == {"cluster", "default-master", "default-worker"}


async def test_what_an_earlier_version_accepted_is_not_accepted_again(api: MemoryApi) -> None:
    await api.built()
    labels = {"dns_cluster_domain": "b.local"}
    await api.sql(f"UPDATE nodegroups SET labels = '{json.dumps(labels)}' WHERE name = 'default-worker'")
    again = await make(api, labels=labels)
    assert again.status_code == 400
    assert detail(again).startswith("label dns_cluster_domain: b.local differs")
    other = await make(api)
    assert other.status_code == 202, "the problem of the other nodegroup does not concern it"


async def test_allowed_labels_of_kubernetes(api: MemoryApi) -> None:
    await api.built()
    labels = {"node.kubernetes.io/x": "1", "kubernetes.io/os": "linux", "mine": "2", "example.org/k8s.io": "3"}
    answer = await make(api, node_labels=labels, node_taints=[TAINT | {"value": "v"}])
    assert answer.status_code == 202, answer.text
    assert answer.json()["node_labels"] == labels
    assert answer.json()["node_taints"] == [TAINT | {"value": "v"}]


async def test_before_the_cluster_has_an_address(api: MemoryApi) -> None:
    await api.built()
    await api.sql("UPDATE clusters SET api_address = NULL")
    answer = await make(api)
    assert (answer.status_code, detail(answer)) == (409, "Cluster API address is not available yet")
    old = await api.client.post(URL, json={}, headers={"OpenStack-API-Version": "container-infra 1.8"})
    assert old.status_code == 406


async def test_a_change_is_an_operation_that_knows_what_was_before(api: MemoryApi) -> None:
    cluster = await api.built()
    url = f"{URL}/default-worker"
    changes = [
        change("add", "/max_node_count", 4),
        change("replace", "/node_labels", "{'a': 'b'}"),
        change("replace", "/node_taints", str([TAINT])),
    ]
    answer = await api.client.patch(url, json=changes)
    assert answer.status_code == 202, answer.text
    group = answer.json()
    assert (group["max_node_count"], group["node_labels"], group["node_taints"]) == (4, {"a": "b"}, [TAINT])
    assert group["status"] == "UPDATE_IN_PROGRESS"
    assert (await api.operation(cluster))["kind"] == "nodegroup_update"
    assert (await api.statuses(cluster))["default-master"] == "CREATE_COMPLETE"
    await api.end_operation(cluster, "UPDATE_COMPLETE")
    again = await api.client.patch(
        url, json=[change("remove", "/node_labels"), change("replace", "/max_node_count", "4")]
    )
    assert again.status_code == 202, again.text
    assert again.json()["node_labels"] == {}
    params = (await api.operation(cluster))["params"]
    assert params == {"nodegroup": "default-worker", "before": {"node_labels": {"a": "b"}, "node_taints": [TAINT]}}


async def test_labels_and_taints_are_taken_as_json_too(api: MemoryApi) -> None:
    await api.built()
    changes = [change("replace", "/node_labels", {"a": "b"}), change("add", "/node_taints/-", TAINT)]
    answer = await api.client.patch(f"{URL}/default-worker", json=changes)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["node_labels"], answer.json()["node_taints"]) == ({"a": "b"}, [TAINT])


@pytest.mark.parametrize(
    ("given", "status", "text"),
    [
        (change("replace", "/node_count", 3), 400, "'/node_count' is an internal attribute and can not be updated"),
        (
            change("replace", "/max_node_count", 1),
            409,
            "max_node_count for default-worker is invalid (node_count (2) s",
        ),
        (change("replace", "/min_node_count", "x"), 400, "Invalid input for field/attribute min_node_count."),
        (change("replace", "/node_labels", {"a": 1}), 400, "Invalid input for field/attribute node_labels."),
        (change("replace", "/node_labels", {"a": "b c"}), 409, "node_labels for default-worker is invalid (the value"),
        (change("replace", "/min_node_count", [1]), 400, "Invalid input for field/attribute value."),
        (change("replace", "/node_labels", "[1]"), 400, "Invalid input for field/attribute node_labels."),
        (change("replace", "/node_taints", "[{'key': 'a'}]"), 409, "node_taints for default-worker is invalid ("),
        (change("add", "/foo", "x"), 400, "Adding a new attribute /foo to the root of the resource is not allowed."),
        (change("remove", "/foo"), 400, "Couldn't apply patch '[{'path': '/foo', 'op': 'remove'}]'. Reason: can't rem"),
    ],
    ids=lambda value: value["path"] if isinstance(value, dict) else "",
)
async def test_refused_changes(api: MemoryApi, given: dict[str, Any], status: int, text: str) -> None:
    await api.built(node_count=2)
    answer = await api.client.patch(f"{URL}/default-worker", json=[given])
    assert (answer.status_code, detail(answer)[: len(text)]) == (status, text)


async def test_deleting(api: MemoryApi) -> None:
    cluster = await api.built()
    default = await api.client.delete(f"{URL}/default-worker")
    assert (default.status_code, detail(default)) == (400, "Deleting a default nodegroup is not supported.")
    assert (await api.client.delete(f"{URL}/none")).status_code == 404
    made = (await make(api)).json()["uuid"]
    await api.end_operation(cluster)
    answer = await api.client.delete(f"{URL}/more")
    assert (answer.status_code, answer.content) == (204, b"")
    operation = await api.operation(cluster)
    assert (operation["kind"], operation["params"]) == ("nodegroup_delete", {"nodegroup": "more"})
    statuses = await api.statuses(cluster)
    assert (statuses["cluster"], statuses["more"]) == ("UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    assert (await api.client.get(f"{URL}/{made}")).status_code == 200


async def test_a_failed_operation_does_not_block_the_next(api: MemoryApi) -> None:
    cluster = await api.built()
    assert (await make(api)).status_code == 202
    await api.end_operation(cluster, "UPDATE_FAILED")
    body = {"node_count": 2, "nodegroup": "more"}
    assert (await api.client.post("/v1/clusters/c1/actions/resize", json=body)).status_code == 202
    await api.end_operation(cluster, "UPDATE_FAILED")
    assert (await api.client.delete(f"{URL}/more")).status_code == 204


async def test_a_second_request_waits_for_the_first_as_declarative_clients_expect(api: MemoryApi) -> None:
    cluster = await api.built()
    assert (await make(api, name="one")).status_code == 202
    assert (await make(api, name="two")).status_code == 202
    changed = await api.client.patch(f"{URL}/default-worker", json=[change("replace", "/max_node_count", 9)])
    assert changed.status_code == 202, changed.text
    assert (await api.client.delete(f"{URL}/one")).status_code == 204
    assert (await api.client.delete(f"{URL}/one")).status_code == 204, "asked again, it changes nothing"
    refused = await api.client.patch(f"{URL}/one", json=[change("replace", "/max_node_count", 9)])
    assert (refused.status_code, detail(refused)) == (409, "Nodegroup one is being deleted.")
    assert await api.statuses(cluster) == {
        "cluster": "UPDATE_IN_PROGRESS",
        "default-master": "CREATE_COMPLETE",
        "default-worker": "UPDATE_IN_PROGRESS",
        "one": "DELETE_IN_PROGRESS",
        "two": "CREATE_IN_PROGRESS",
    }
    two = (await api.client.get(f"{URL}/two")).json()
    assert two["status_reason"] == "waiting for the end of the nodegroup_create"
    operations = (await api.client.get("/v1/clusters/c1/operations")).json()["operations"]
    assert [operation["kind"] for operation in operations] == ["nodegroup_create", "create"]


async def test_behind_an_operation_that_it_cannot_wait_for_it_is_a_conflict(api: MemoryApi) -> None:
    """Clients repeat a request after a 409, and give up after a 400."""
    await api.built()
    assert (await api.client.patch("/v1/credentials/c1")).status_code == 202
    words = 'Updating a cluster when status is "UPDATE_IN_PROGRESS" is not supported.'
    body = [change("replace", "/max_node_count", 9)]
    for answer in (
        await make(api, name="one"),
        await api.client.patch(f"{URL}/default-worker", json=body),
    ):
        assert (answer.status_code, detail(answer)) == (409, words)
