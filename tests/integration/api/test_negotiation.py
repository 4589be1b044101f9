"""Which form and which version a client asks for, before anything is done."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.api.wire.accept import prefers_json, takes_json

SERVICE = "container-infrastructure-management"
VERSIONED = {"openstack-api-version", "openstack-api-minimum-version", "openstack-api-maximum-version", "vary"}
REFUSED = {"errors": [{"request_id": "", "code": "", "status": 406, "title": "", "detail": "", "links": []}]}


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", True),
        ("*/*", True),
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/*;q=0.1", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/problem+json", True),
        ("nonsense", True),
        ("text/html", False),
        ("text/*, application/xml", False),
        ("application/json; q=0", False),
        ("application/json;q=0.0, text/html", False),
        ("*/*, application/json;q=0", False),
    ],
)
def test_what_leaves_json(accept: str, taken: bool) -> None:
    assert takes_json(accept) is taken


@pytest.mark.parametrize(
    ("accept", "by_name"),
    [
        ("application/json", True),
        ("application/*", True),
        ("application/json, */*;q=0.1", True),
        ("text/html;q=0.4, application/json;q=0.5", True),
        ("", False),
        ("*/*", False),
        ("nonsense", False),
        ("text/html, application/json", False),
    ],
)
async def test_words_for_those_who_ask_for_json_by_name(user: httpx.AsyncClient, accept: str, by_name: bool) -> None:
    assert prefers_json(accept) is by_name
    older = {"Accept": accept, "OpenStack-API-Version": "container-infra 1.1"}
    refused = (await user.get("/v1/clusters/c1/nodegroups", headers=older)).json()["errors"][0]
    words = "Version 1.1 was requested but the requested API get_all is not supported for this version."
    assert (refused["title"], refused["detail"]) == (("Not Acceptable", words) if by_name else ("", ""))
    for method, path, status, title in (
        ("GET", "/v1/nothing", 404, "Not Found"),
        ("PUT", "/v1/clusters", 405, "Method Not Allowed"),
    ):
        answer = await user.request(method, path, headers={"Accept": accept})
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["code"], error["detail"]) == (status, "", "")
        assert error["title"] == (title if by_name else "")


async def test_who_does_not_take_json_gets_406_and_nothing_done(
    user: httpx.AsyncClient, template: dict[str, Any]
) -> None:
    html = {"Accept": "text/html"}
    body = {"name": "c1", "cluster_template_id": "k8s"}
    for method, path in (
        *(
            ("GET", path)
            for path in ("/", "/v1", "/v1/clusters", "/v1/clusters/none", "/v1/stats", "/clustertemplates/")
        ),
        *(("POST", path) for path in ("/v1/clusters", "/v1/clusters/c1/actions/resize")),
        ("PATCH", "/v1/clusters"),
        ("DELETE", "/v1/clustertemplates/k8s"),
    ):
        answer = await user.request(method, path, json=body if method == "POST" else None, headers=html)
        assert (answer.status_code, answer.json()) == (406, REFUSED), (method, path)
        assert not VERSIONED & set(answer.headers)
    assert (await user.get("/v1/clusters")).json() == {"clusters": []}
    # What is not there is said first, and what is ours alone has forms of its own.
    assert (await user.get("/v1/nothing", headers=html)).status_code == 404
    assert (await user.put("/v1/clusters", headers=html)).status_code == 405
    assert (await user.get("/metrics", headers={"Accept": "text/plain"})).status_code == 200
    assert (await user.get("/v1/events", headers=html)).status_code == 200


async def test_the_version_document_has_a_version_too(anonymous: httpx.AsyncClient) -> None:
    async def ask(version: str | None, path: str = "/v1") -> httpx.Response:
        headers = {} if version is None else {"OpenStack-API-Version": version}
        return await anonymous.get(path, headers=headers)

    for asked, served in ((None, "1.1"), ("container-infra 1.9", "1.9"), ("container-infra latest", "1.14")):
        answer = await ask(asked)
        assert answer.status_code == 200
        assert answer.headers["openstack-api-version"] == f"{SERVICE} {served}"
        assert answer.json()["id"] == "v1"
    unsupported = await ask("container-infra 1.99", "/v1/")
    assert unsupported.status_code == 406
    assert unsupported.json()["errors"][0]["max_version"] == "1.14"
    assert "description" not in unsupported.json()["errors"][0]
    for version, words in (
        ("1.99", "Version 1.99 was requested but"),
        ("2.1", "Mutually exclusive versions requested. "),
    ):
        headers = {"OpenStack-API-Version": f"container-infra {version}", "Accept": "application/json"}
        described = (await anonymous.get("/v1", headers=headers)).json()["errors"][0]["description"]
        assert described.startswith(words)
        assert described.endswith(f"The supported version range is: [{SERVICE} 1.1, {SERVICE} 1.14].")
    assert (await ask("compute 1.1")).json() == REFUSED
    assert (await ask("container-infra 1.99", "/")).status_code == 200
    for path in ("/", "/v1"):
        refused = await anonymous.get(f"{path}?foo=1")
        assert refused.json()["errors"][0]["detail"] == 'Unknown argument: "foo"'
