"""Federations over the wire: recorded, and true."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import delete

from services.api.deps import Deps
from shared.db.models import Cluster

ZONE = {"dns-zone": "example.com."}


@pytest.fixture
async def clusters(user: httpx.AsyncClient, template: dict[str, Any]) -> list[str]:
    """Three clusters: c0, c1, c2."""
    made = [
        await user.post("/v1/clusters", json={"name": f"c{number}", "cluster_template_id": "k8s"})
        for number in range(3)
    ]
    return [answer.json()["uuid"] for answer in made]


@pytest.fixture
async def federation(user: httpx.AsyncClient, clusters: list[str]) -> str:
    """`f1`, hosted by c0, of which c1 is a member."""
    body = {"name": "f1", "hostcluster_id": "c0", "member_ids": [clusters[1]], "properties": ZONE}
    answer = await user.post("/v1/federations", json=body)
    assert answer.status_code == 202, answer.text
    uuid: str = answer.json()["uuid"]
    assert answer.json() == {"uuid": uuid}
    return uuid


def detail(answer: httpx.Response) -> str:
    text: str = answer.json()["errors"][0]["detail"]
    return text


async def members(user: httpx.AsyncClient) -> list[str]:
    found: list[str] = (await user.get("/v1/federations/f1")).json()["member_ids"]
    return found


async def test_made_listed_shown_and_deleted(user: httpx.AsyncClient, federation: str, clusters: list[str]) -> None:
    shown = (await user.get("/v1/federations/f1")).json()
    reduced = {
        "uuid": federation,
        "name": "f1",
        "hostcluster_id": clusters[0],
        "member_ids": [clusters[1]],
        "status": "CREATE_COMPLETE",
        "properties": ZONE,
        "links": [
            {"href": f"http://api.test/v1/federations/{federation}", "rel": "self"},
            {"href": f"http://api.test/federations/{federation}", "rel": "bookmark"},
        ],
    }
    assert "not connected" in shown["status_reason"], "nobody is led to believe more than was done"
    more = {name: shown[name] for name in ("status_reason", "created_at")} | {"updated_at": None}
    assert shown == reduced | more
    assert (await user.get("/federations/")).json() == {"federations": [reduced]}
    assert (await user.get("/v1/federations/detail")).json() == {"federations": [shown]}

    await user.post("/v1/federations", json={"name": "f1", "hostcluster_id": "c1", "properties": ZONE})
    twice = await user.get("/v1/federations/f1")
    assert (twice.status_code, detail(twice)) == (
        409,
        "Multiple federations exist with same name. Please use the federation uuid instead.",
    )
    first = (await user.get("/v1/federations?limit=1&sort_key=name")).json()
    assert first["next"].endswith(f"/v1/federations?sort_key=name&sort_dir=asc&limit=1&marker={federation}")
    assert len((await user.get(first["next"])).json()["federations"]) == 1

    assert (await user.delete(f"/v1/federations/{federation}")).status_code == 204
    gone = await user.delete(f"/v1/federations/{federation}")
    assert (gone.status_code, detail(gone)) == (404, f"Federation {federation} could not be found.")


async def test_what_no_federation_is_made_of(user: httpx.AsyncClient, clusters: list[str]) -> None:
    nowhere = str(uuid4())
    host = {"hostcluster_id": clusters[0]}
    for body, status, text in (
        ({}, 400, "No hostcluster specified. Please specify a hostcluster_id."),
        (host, 400, "Please specify a `properties` dict for the federation."),
        (host | {"properties": {}}, 400, "No DNS zone specified. Please specify a `dns-zone`."),
        (host | {"properties": {"dns-zone": None}}, 400, "No DNS zone specified. Please specify a `dns-zone`."),
        ({"hostcluster_id": "none"}, 404, "Cluster none could not be found."),
        (host | {"properties": ZONE, "member_ids": [nowhere]}, 404, f"Cluster {nowhere} could not be found."),
        (host | {"project_id": "x"}, 400, "Unknown attribute for argument federation: project_id"),
    ):
        answer = await user.post("/v1/federations", json=body)
        assert (answer.status_code, detail(answer)) == (status, text)
    wrong: list[dict[str, Any]] = [{"name": "1x"}, {"properties": {"dns-zone": 1}}, {"member_ids": "x"}, {"links": []}]
    for field in wrong:
        assert (await user.post("/v1/federations", json=host | field)).status_code == 400
    assert (await user.get("/v1/federations")).json() == {"federations": []}


async def test_clusters_join_and_leave(user: httpx.AsyncClient, federation: str, clusters: list[str]) -> None:
    async def patch(op: str, value: Any = None) -> httpx.Response:
        change = {"op": op, "path": "/member_ids"} | ({} if value is None else {"value": value})
        return await user.patch(f"/v1/federations/{federation}", json=[change])

    joined = await patch("add", clusters[2])
    assert (joined.status_code, joined.json()) == (202, {"uuid": federation})
    assert await members(user) == clusters[1:]
    again = await patch("add", clusters[2])
    assert (again.status_code, detail(again)) == (
        409,
        f"A cluster with UUID {clusters[2]} is already a member of the federation f1.",
    )
    assert (await patch("remove", clusters[1])).status_code == 202
    left = await patch("remove", clusters[1])
    assert (left.status_code, detail(left)) == (
        404,
        f"Cluster {clusters[1]} is not a member of the federation f1.",
    )
    unknown = await patch("add", "c1")
    assert (unknown.status_code, detail(unknown)) == (404, "Cluster c1 could not be found.")
    assert await members(user) == [clusters[2]]
    assert (await user.get("/v1/federations/f1")).json()["status"] == "UPDATE_COMPLETE"
    assert (await patch("replace", str(clusters[:2]))).status_code == 202
    assert await members(user) == clusters[:2]
    assert (await patch("remove")).status_code == 202
    assert await members(user) == []


async def test_what_a_patch_may_change(user: httpx.AsyncClient, federation: str) -> None:
    async def patch(op: str, path: str, value: Any = "v") -> tuple[int, str]:
        answer = await user.patch("/v1/federations/f1?rollback=True", json=[{"op": op, "path": path, "value": value}])
        return answer.status_code, "" if answer.status_code == 202 else detail(answer)

    assert await patch("add", "/properties/a", "b") == (202, "")
    assert await patch("replace", "/properties/dns-zone", "x.") == (202, "")
    assert (await user.get("/v1/federations/f1")).json()["properties"] == {"a": "b", "dns-zone": "x."}
    assert await patch("replace", "/properties", "{'dns-zone': 'y.'}") == (202, "")
    assert (await user.get("/v1/federations/f1")).json()["properties"] == {"dns-zone": "y."}
    assert (await user.patch("/v1/federations/f1", json={"properties": ZONE})).status_code == 202
    for op, path, text in (
        ("remove", "/properties/dns-zone", "No DNS zone specified. Please specify a `dns-zone`."),
        ("replace", "/name", "cannot change federation property(ies) name."),
        ("replace", "/uuid", "'/uuid' is an internal attribute and can not be updated"),
        ("add", "/foo", "Adding a new attribute /foo to the root of the resource is not allowed."),
        (
            "replace",
            "/foo",
            "Couldn't apply patch '[{'path': '/foo', 'op': 'replace', 'value': 'v'}]'. "
            "Reason: can't replace a non-existent object 'foo'",
        ),
        (
            "replace",
            "/properties/z",
            "Couldn't apply patch '[{'path': '/properties/z', 'op': 'replace', 'value': 'v'}]'. "
            "Reason: can't replace a non-existent object 'z'",
        ),
    ):
        assert await patch(op, path) == (400, text)
    assert (await user.get("/v1/federations/f1")).json()["properties"] == ZONE


async def test_a_deleted_cluster_leaves(
    user: httpx.AsyncClient, federation: str, clusters: list[str], deps: Deps
) -> None:
    async with deps.db.transaction() as session:
        await session.execute(delete(Cluster).where(Cluster.uuid.in_(clusters[:2])))
    shown = (await user.get(f"/v1/federations/{federation}")).json()
    assert (shown["hostcluster_id"], shown["member_ids"]) == (None, [])


async def test_other_projects_know_nothing_of_it(user: httpx.AsyncClient, federation: str, login: Any) -> None:
    stranger = await login("alt", "alt")
    change = [{"op": "remove", "path": "/member_ids"}]
    assert (await stranger.get("/v1/federations")).json() == {"federations": []}
    for answer in (
        await stranger.get(f"/v1/federations/{federation}"),
        await stranger.patch(f"/v1/federations/{federation}", json=change),
        await stranger.delete(f"/v1/federations/{federation}"),
        await stranger.get(f"/v1/federations?marker={federation}"),
    ):
        assert (answer.status_code, detail(answer)) == (404, f"Federation {federation} could not be found.")
    borrowed = {"hostcluster_id": "c0", "properties": ZONE}
    assert (await stranger.post("/v1/federations", json=borrowed)).status_code == 404
    assert await members(user) != []
