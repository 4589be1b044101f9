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


@pytest.mark.parametrize(
    ("limit", "status"),
    [("1", 200), ("+5", 200), ("9" * 5000, 200), ("0", 400), ("-1", 400), ("", 400), ("1.5", 400), ("x" * 30, 400)],
)
async def test_limit(login: Any, limit: str, status: int) -> None:
    user = await login()
    assert (await user.get("/v1/clusters", params={"limit": limit})).status_code == status
