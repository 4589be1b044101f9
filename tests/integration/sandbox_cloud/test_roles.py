"""Calls in a project where the service user has no role yet, many at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from sandbox.openstack.testing import QUICK, running_cloud
from shared.cloud import sdk
from shared.cloud.keystone import Keystone
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.sessions import require_roles
from tests.support.service_user import service_user_of

ROLES = ("member", "load-balancer_member")
PAUSE = 0.15


async def test_calls_during_an_assignment_do_not_fail_because_of_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    request = Keystone._request

    async def slow(self: Keystone, method: str, path: str, doing: str, **more: Any) -> httpx.Response:
        if method == "PUT":
            given.append(path)
            await asyncio.sleep(PAUSE)
        return await request(self, method, path, doing, **more)

    def late(*arguments: Any) -> None:
        try:
            require_roles(*arguments)
        finally:
            time.sleep(PAUSE)  # the refusal is known when the roles are complete

    monkeypatch.setattr(Keystone, "_request", slow)
    monkeypatch.setattr(sdk, "require_roles", late)
    async with running_cloud(QUICK) as cloud:
        clouds = OpenStackCloudFactory(service_user_of(cloud, service_roles=ROLES))

        async def call(number: int) -> object:
            # They begin before the assignment, between its two roles, and after it.
            await asyncio.sleep(number * PAUSE / 4)
            return await clouds.for_project(cloud.project_ids["demo"]).find_server("x")

        try:
            assert await asyncio.gather(*map(call, range(30))) == [None] * 30
        finally:
            await clouds.close()
    assert len(given) == len(ROLES)
