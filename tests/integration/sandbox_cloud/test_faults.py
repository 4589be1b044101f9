"""The fault script strikes at the wire, and only as often as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest


async def put(cloud: Any, *rules: Any, **behaviours: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        return await client.put("/faults", json={"rules": list(rules), "behaviours": behaviours})


def rule(do: dict[str, Any], **match: Any) -> dict[str, Any]:
    return {"match": match, "do": do}


async def test_a_status_with_its_headers_as_often_as_asked(cloud: Any, demo: Any) -> None:
    busy = {"status": 503, "headers": {"Retry-After": "7"}, "body": {"message": "busy"}}
    await put(cloud, rule(busy, service="orchestration", method="GET", times=2))
    answers = [await demo.http.get(demo.stacks) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert (await demo.http.get("/network/v2.0/networks")).status_code == 200


async def test_only_the_nth_request_of_a_path_and_project(cloud: Any, demo: Any, log_in: Any) -> None:
    alt = await log_in("alt")
    await put(cloud, rule({"status": 500}, path="/flavors", nth=2, project=demo.project_id))
    assert (await alt.http.get("/compute/v2.1/flavors")).status_code == 200
    answers = [(await demo.http.get("/compute/v2.1/flavors")).status_code for _ in range(3)]
    assert answers == [200, 500, 200]
    assert (await demo.http.get("/compute/v2.1/servers")).status_code == 200


async def test_a_dropped_connection(cloud: Any, demo: Any) -> None:
    await put(cloud, rule({"drop": True}, service="image", times=1))
    with pytest.raises(httpx.TransportError):
        await demo.http.get("/image/v2/images")
    assert (await demo.http.get("/image/v2/images")).status_code == 200


async def test_a_request_that_is_never_answered(cloud: Any, demo: Any) -> None:
    await put(cloud, rule({"hang": True}, service="image", times=1))
    with pytest.raises(httpx.ReadTimeout):
        await demo.http.get("/image/v2/images", timeout=0.3)


async def test_a_delay_alone_lets_the_request_go_on(cloud: Any, demo: Any) -> None:
    await put(cloud, rule({"delay_s": 0.2}, service="image", times=1))
    before = asyncio.get_running_loop().time()
    assert (await demo.http.get("/image/v2/images")).status_code == 200
    assert asyncio.get_running_loop().time() - before >= 0.2


async def test_a_probability_is_repeatable_with_the_seed(cloud: Any, demo: Any) -> None:
    await put(cloud, rule({"status": 500}, service="image", probability=0.5))
    answers = [(await demo.http.get("/image/v2/images")).status_code for _ in range(40)]
    assert 5 < answers.count(500) < 35


async def test_clearing_ends_all_faults(cloud: Any, demo: Any) -> None:
    await put(cloud, rule({"status": 500}))
    assert (await demo.http.get("/image/v2/images")).status_code == 500
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        assert (await client.delete("/faults")).status_code == 204
    assert (await demo.http.get("/image/v2/images")).status_code == 200


@pytest.mark.parametrize(
    "script",
    [
        {"rules": [{"match": {"path": "("}, "do": {}}]},
        {"rules": [{"match": {"nonsense": 1}, "do": {}}]},
        {"rules": [{"match": {}, "do": {"explode": True}}]},
        {"behaviours": {"nonsense": ["x"]}},
        {"rules": 1},
        {"else": 1},
    ],
)
async def test_a_script_that_says_something_unknown_is_refused(cloud: Any, script: Any) -> None:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        assert (await client.put("/faults", json=script)).status_code == 400


async def test_requests_are_counted_and_stack_posts_timed(cloud: Any, demo: Any) -> None:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        await client.delete("/requests")
        await demo.create("timed", {"x": {"type": "OS::Heat::None"}})
        shown = (await client.get("/requests")).json()
    assert shown["requests"] == [
        {"service": "orchestration", "method": "POST", "route": "/v1/{project}/stacks", "status": 201, "count": 1}
    ]
    assert shown["stack_posts"]["timed"] == shown["first_stack_post"]
