"""Forms, OPTIONS and the origins of web pages."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from asgi_lifespan import LifespanManager

from services.api.app import create_app
from services.api.deps import Deps

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [
        ("POST", "/v1/clusters", "name=c1", 'Unknown argument: "name"'),
        ("POST", "/v1/clusters", "name=c1&cluster_template_id=k8s", 'Unknown argument: "cluster_template_id, name"'),
        ("POST", "/v1/clusters", '{"name": "c1"}', 'Unknown argument: "{"name": "c1"}"'),
        ("POST", "/v1/clusters", "&", 'Missing argument: "cluster"'),
        ("POST", "/v1/clustertemplates", "a=%FF", 'Unknown argument: "a"'),
        ("PATCH", "/v1/clusters/c1", "path=/name", 'Unknown argument: "path"'),
        ("POST", "/v1/clusters/c1/actions/resize", "node_count=2", 'Unknown argument: "node_count"'),
        ("PATCH", "/v1/certificates/c1", "x=1", 'Unknown argument: "x"'),
        ("POST", "/v1/clusters", "a&" * 2000, "Request is not a valid form"),
    ],
)
async def test_a_form_is_refused_as_in_magnum(
    user: httpx.AsyncClient, method: str, path: str, body: str, detail: str
) -> None:
    answer = await user.request(method, path, content=body, headers=FORM)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["detail"] == detail


async def test_other_media_types_are_still_415(user: httpx.AsyncClient) -> None:
    answer = await user.post("/v1/clusters", content="<a/>", headers={"Content-Type": "application/xml"})
    assert answer.status_code == 415


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/clusters", "/v1/clusters/c1/actions/resize", "/v1/nothing"])
async def test_options_needs_no_token(user: httpx.AsyncClient, path: str) -> None:
    user.headers.pop("X-Auth-Token")
    answer = await user.options(path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (await user.options(path)).status_code == 200


async def test_no_origin_changes_nothing_by_default(user: httpx.AsyncClient) -> None:
    plain, crossed = await user.get("/v1/clusters"), await user.get("/v1/clusters", headers={"Origin": "https://a"})
    assert plain.headers["vary"] == crossed.headers["vary"] == "OpenStack-API-Version"
    assert "access-control-allow-origin" not in crossed.headers


async def test_listed_origins_may_read(deps: Deps, user: httpx.AsyncClient) -> None:
    listed = replace(deps, settings=deps.settings.model_copy(update={"cors_allowed_origins": ["https://a.example"]}))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-auth-token, content-type"}
    app = create_app(listed)
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://api", headers=user.headers
        ) as client,
    ):
        allowed = await client.options("/v1/clusters", headers={"Origin": "https://a.example", **asked})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        assert "X-Auth-Token" in allowed.headers["access-control-allow-headers"]
        other = await client.options("/v1/clusters", headers={"Origin": "https://b.example", **asked})
        assert (other.status_code, "access-control-allow-origin" in other.headers) == (200, False)
        read = await client.get("/v1/clusters", headers={"Origin": "https://a.example"})
        assert read.headers["access-control-allow-origin"] == "https://a.example"
        assert "OpenStack-API-Version" in read.headers["access-control-expose-headers"]
