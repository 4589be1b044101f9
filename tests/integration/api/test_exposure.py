"""What a caller must not see: an answer of somebody else, addresses of dependencies; and where links lead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
from asgi_lifespan import LifespanManager

from services.api.app import create_app
from services.api.deps import Deps
from shared.db.engine import Database


async def test_a_reader_gets_no_answer_with_a_members_key(login: Any, template: dict[str, Any]) -> None:
    member, reader = await login(), await login("reader")
    for path, body in (
        ("/v1/clusters", {"cluster_template_id": "k8s", "name": "c1"}),
        ("/v1/clustertemplates", {**template_body(template), "name": "t1"}),
    ):
        key = {"Idempotency-Key": f"key of {path}"}
        assert (await member.post(path, json=body, headers=key)).status_code in (201, 202)
        assert (await member.post(path, json=body, headers=key)).headers["Idempotency-Replayed"] == "true"
        refused = await reader.post(path, json=body, headers=key)
        assert refused.status_code == 403, refused.text
        assert "uuid" not in refused.json()


def template_body(template: dict[str, Any]) -> dict[str, Any]:
    return {name: template[name] for name in ("coe", "image_id", "flavor_id", "external_network_id")}


async def test_readiness_says_which_dependency_fails_and_no_more(deps: Deps, database: Database) -> None:
    asked = 0

    async def broken() -> None:
        nonlocal asked
        asked += 1
        raise OSError("cannot connect to 10.1.2.3:5432 as jeroboam")

    deps.clouds.check = broken  # type: ignore[method-assign]
    app = create_app(deps)
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://api.test") as client,
    ):
        answers = [await client.get("/readyz") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["parts"] == {"database": "ok", "cloud": "failed", "keys": "ok"}
    assert "10.1.2.3" not in answers[0].text
    assert asked == 1, "the checks run at most once a second"


async def test_links_begin_with_the_public_url(deps: Deps, user: httpx.AsyncClient) -> None:
    public = deps.settings.model_copy(update={"public_url": "https://magnum.example.org/container/"})
    public.model_fields_set.add("public_url")
    async with (
        LifespanManager(create_app(replace(deps, settings=public))) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://evil.test", headers=user.headers
        ) as client,
    ):
        shown = (await client.get("/v1", headers={"Host": "evil.test"})).json()
    assert shown["clusters"][0]["href"] == "https://magnum.example.org/container/v1/clusters/"
    assert "evil" not in str(shown)
