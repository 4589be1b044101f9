"""What holds for every route: discovery, versions, tokens, formats."""

from __future__ import annotations

from typing import Any

import httpx

from shared.limit_settings import LimitSettings

MAX_BODY = LimitSettings().body_bytes_definition
SERVICE = "container-infrastructure-management"
EMPTY = {"request_id": "", "code": "", "title": "", "detail": "", "links": []}


async def test_discovery_needs_no_token(anonymous: httpx.AsyncClient) -> None:
    root = await anonymous.get("/")
    assert root.json()["versions"] == [
        {
            "id": "v1",
            "links": [{"href": "http://api.test/v1/", "rel": "self"}],
            "status": "CURRENT",
            "max_version": "1.14",
            "min_version": "1.1",
        }
    ]
    assert "openstack-api-version" not in root.headers
    v1 = await anonymous.get("/v1/")
    assert v1.json()["clusters"][1] == {"href": "http://api.test/clusters/", "rel": "bookmark"}
    assert v1.headers["openstack-api-version"] == f"{SERVICE} 1.1"
    health = await anonymous.get("/healthcheck")
    assert (health.text, health.headers["content-type"]) == ("OK", "text/plain; charset=UTF-8")
    named = await anonymous.get("/healthcheck", headers={"Accept": "application/json"})
    assert named.json() == {"detailed": False, "reasons": ["OK"]}
    assert (await anonymous.head("/healthcheck")).status_code == 204
    ready = await anonymous.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]) == (200, {"database": "ok", "cloud": "ok", "keys": "ok"})
    assert "jeroboam_api_requests_total" in (await anonymous.get("/metrics")).text
    document = (await anonymous.get("/openapi.json")).json()
    assert "/v1/clusters/{cluster_id}" in document["paths"]


async def test_without_a_valid_token(anonymous: httpx.AsyncClient) -> None:
    for headers in ({}, {"X-Auth-Token": "gAAAA"}):
        for path in ("/v1/clusters", "/clusters", "/v1/nothing"):
            answer = await anonymous.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith('Keystone uri="http')
            assert answer.json()["error"]["code"] == 401


async def test_versions(user: httpx.AsyncClient) -> None:
    async def ask(value: str) -> httpx.Response:
        return await user.get("/v1/clusters", headers={"OpenStack-API-Version": value})

    good = await ask("container-infra 1.9")
    assert good.headers["openstack-api-version"] == f"{SERVICE} 1.9"
    assert good.headers["openstack-api-minimum-version"] == f"{SERVICE} 1.1"
    assert good.headers["openstack-api-maximum-version"] == f"{SERVICE} 1.14"
    assert good.headers["vary"] == "OpenStack-API-Version"
    assert (await ask("container-infra latest")).headers["openstack-api-version"] == f"{SERVICE} 1.14"
    for version in ("1.15", "1.0", "2.1"):
        unsupported = await ask(f"container-infra {version}")
        assert unsupported.status_code == 406
        assert unsupported.json()["errors"][0]["code"] == "magnum.microversion-unsupported"
        assert unsupported.headers["openstack-api-version"] == f"{SERVICE} {version}"
    for value in ("compute 1.1", "1.9", "container-infra x"):
        wrong = await ask(value)
        assert wrong.status_code == 406
        assert wrong.json()["errors"] == [EMPTY | {"status": 406}]
        assert "openstack-api-version" not in wrong.headers


async def test_nodegroups_need_their_version(login: Any) -> None:
    old = await login(version="1.8")
    assert (await old.get("/v1/clusters/c1/nodegroups")).status_code == 406


async def test_unknown_urls_and_methods(user: httpx.AsyncClient) -> None:
    missing = await user.get("/v1/nothing")
    assert missing.json() == {"errors": [EMPTY | {"status": 404}]}
    for method in ("PUT", "HEAD"):
        assert (await user.request(method, "/v1/clusters")).status_code == 405
    wrong = await user.put("/v1/clusters/")
    assert wrong.json() == {"errors": [EMPTY | {"status": 405}]}
    assert wrong.headers["x-openstack-request-id"].startswith("req-")


async def test_magnum_names_what_a_url_lacks(user: httpx.AsyncClient) -> None:
    async def ask(method: str, path: str) -> tuple[int, str]:
        answer = await user.request(method, path, json=None if method in ("GET", "DELETE") else {})
        return answer.status_code, answer.json()["errors"][0]["detail"]

    for path, argument in (
        ("clusters", "cluster_ident"),
        ("clustertemplates", "cluster_template_ident"),
        ("federations", "federation_ident"),
        ("quotas", "project_id"),
        ("clusters/c1/nodegroups", "nodegroup_id"),
    ):
        for method in ("PATCH", "DELETE"):
            assert await ask(method, f"/v1/{path}/") == (400, f'Missing argument: "{argument}"')
    assert await ask("GET", "/v1/quotas/p1") == (400, 'Missing argument: "resource"')
    assert await ask("PATCH", "/v1/credentials") == (400, 'Missing argument: "cluster_ident"')
    why = "unable to convert to Cluster. Error: Cluster.__init__() takes 1 positional argument but 2 were given"
    wrong = f"Invalid input for field/attribute cluster. Value: 'c1'. {why}"
    assert await ask("POST", "/v1/clusters/c1") == (400, wrong)
    why = "unable to convert to uuid. Error: Expected a uuid but received c1."
    for path in ("clusters", "clustertemplates", "federations"):
        wrong = f"Invalid input for field/attribute marker. Value: 'c1'. {why}"
        assert await ask("GET", f"/v1/{path}/c1/detail") == (400, wrong)
    for path in ("credentials", "clusters/c1/actions", "clusters/c1/actions/resize", "stats/x"):
        assert (await user.get(f"/v1/{path}")).status_code == 405
    allowed = (await user.put("/v1/clusters/c1")).headers["allow"]
    assert allowed == "DELETE, GET, PATCH, POST"


async def test_bodies(user: httpx.AsyncClient) -> None:
    async def post(content: bytes, media: str = "application/json") -> tuple[int, str]:
        answer = await user.post("/v1/clusters", content=content, headers={"Content-Type": media})
        return answer.status_code, answer.json()["errors"][0]["detail"]

    assert await post(b"{}", "text/plain") == (415, "Unknown mimetype: text/plain")
    for raw in (b"{", b"[]", b'{"a": NaN}', b"\xff", b"[" * 10):
        assert await post(raw) == (400, "Request is not in valid JSON format")
    for raw in (b"", b"null"):
        assert await post(raw) == (400, 'Missing argument: "cluster"')
    assert await post(b'{"foo": 1}') == (400, "Unknown attribute for argument cluster: foo")
    assert await post(b'{"stack_id": "x", "cluster_template_id": "y"}') == (
        400,
        "Invalid input for field/attribute stack_id. Value: 'x'. Cannot set read only field.",
    )
    assert (await post(b" " * (MAX_BODY + 1)))[0] == 413
    assert await post(b"[" * 21) == (400, _too("levels", 20, "json_depth"))
    assert await post(b"[" * 100_000) == (400, _too("elements", 10_000, "json_elements"))
    chunked = await user.post("/v1/clusters", content=_chunks(), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 413


def _too(what: str, most: int, setting: str) -> str:
    return f"The JSON of the request has too many {what}: at most {most} are accepted (limits.{setting})"


async def _chunks() -> Any:
    for _ in range(20):
        yield b" " * (MAX_BODY // 16)


async def test_problem_json_for_those_who_ask(user: httpx.AsyncClient) -> None:
    answer = await user.get("/v1/clusters/none", headers={"Accept": "application/problem+json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Cluster none could not be found",
        "status": 404,
        "detail": "Cluster none could not be found.",
    }


async def test_unknown_query_arguments(user: httpx.AsyncClient) -> None:
    answer = await user.get("/v1/clusters?foo=1")
    assert answer.json()["errors"][0]["detail"] == 'Unknown argument: "foo"'
    several = await user.get("/v1/clusters?foo=1&limit=1&bar=2")
    assert several.json()["errors"][0]["detail"] == 'Unknown argument: "bar, foo"'
    assert (await user.get("/v1/clusters?limit=1&limit=2")).status_code == 400
