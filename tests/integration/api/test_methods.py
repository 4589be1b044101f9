"""Methods a path does not have, and numbers that are none."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/clusters", {"GET", "POST"}),
        ("/v1/clusters/", {"GET", "POST"}),
        ("/clustertemplates", {"GET", "POST"}),
        ("/v1/operations/x/retry", {"POST"}),
    ],
)
async def test_405_names_every_method_there_is(login: Any, path: str, allowed: set[str]) -> None:
    user = await login()
    answer = await user.request("PUT", path)
    assert answer.status_code == 405
    assert allowed <= set(answer.headers["allow"].split(", "))
    assert "PUT" not in answer.headers["allow"]


ALL = "DELETE, GET, PATCH, POST"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/clusters/c1/nothing", 405, ALL),
        ("PUT", "/v1/clusters/c1/detail", 405, ALL),
        ("DELETE", "/v1/clusters/c1/detail", 404, None),
        ("POST", "/v1/clusters/c1/detail", 404, None),
        ("GET", "/v1/clusters/c1/nothing", 404, None),
        ("PUT", "/v1/clusters/a%2Fb", 405, ALL),
        ("DELETE", "/v1/clusters/a%2Fb", 404, None),
        ("DELETE", "/v1/clusters/c1/config", 405, "GET"),
        ("PUT", "/v1/clusters/c1/nodegroups/n/x", 405, ALL),
        ("POST", "/v1/quotas/p1/Cluster", 404, None),
        ("PUT", "/v1/quotas/p1/Cluster", 405, ALL),
        ("GET", "/v1/certificates", 405, "GET, PATCH, POST"),
        ("DELETE", "/v1/certificates/c1", 405, "GET, PATCH, POST"),
        ("GET", "/v1/credentials/c1/x", 405, "PATCH"),
        ("GET", "/v1/stats/x/y", 405, "GET"),
        ("GET", "/v1/clusters/c1/actions/resize", 405, "POST"),
        ("GET", "/v1/clusters/c1/actions/foo", 405, ""),
        ("POST", "/v1/nothing", 405, "GET"),
        ("GET", "/v1/nothing", 404, None),
        ("PUT", "/", 405, "GET"),
    ],
)
async def test_what_a_url_does_not_take(login: Any, method: str, path: str, status: int, allow: str | None) -> None:
    user = await login()
    answer = await user.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get("allow") == allow
    assert "openstack-api-version" not in answer.headers
    assert answer.json()["errors"][0] == {
        "request_id": "",
        "code": "",
        "title": "",
        "detail": "",
        "links": [],
        "status": status,
    }


async def test_the_document_lists_what_is_allowed(login: Any) -> None:
    user = await login()
    paths = (await user.get("/openapi.json")).json()["paths"]
    wrong = []
    for path, methods in paths.items():
        answer = await user.put(path.replace("{", "").replace("}", ""))
        if "allow" in answer.headers and answer.headers["allow"].lower().split(", ") != sorted(methods):
            wrong.append((path, answer.headers["allow"], sorted(methods)))
    assert not wrong
    assert {"delete", "get", "patch", "post"} == paths["/v1/clusters"].keys()
    assert paths["/v1/clusters"]["delete"]["responses"].keys() == {"401", "4XX", "503"}
    assert "202" in paths["/v1/clusters/detail"]["patch"]["responses"], "a cluster may be called detail"


@pytest.mark.parametrize(
    ("limit", "status"),
    [("1", 200), ("+5", 200), ("9" * 5000, 200), ("0", 400), ("-1", 400), ("", 400), ("1.5", 400), ("x" * 30, 400)],
)
async def test_limit(login: Any, limit: str, status: int) -> None:
    user = await login()
    assert (await user.get("/v1/clusters", params={"limit": limit})).status_code == status
