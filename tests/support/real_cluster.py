"""What the tests on a real OpenStack do to a cluster: make it from a template, wait for it, see it gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx

from shared.cloud.contract import Cloud
from shared.domain.errors import TemporaryError

Coe = Callable[..., Awaitable[str]]
Api = Callable[..., Awaitable[httpx.Response]]


async def make_template(coe: Coe, place: dict[str, Any], **changes: str) -> None:
    names = place["names"]
    options = {
        "--coe": "kubernetes",
        "--image": names["image"],
        "--external-network": names["external_network"],
        "--flavor": names["flavor"],
        "--master-flavor": names["flavor"],
        "--keypair": names["keypair"],
        **changes,
    }
    flat = [word for pair in options.items() for word in pair]
    # Without Octavia several masters share a virtual address.
    await coe("cluster", "template", "create", "k8s", *flat, "--floating-ip-disabled", "--master-lb-enabled")


async def cluster(coe: Coe) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(await coe("cluster", "show", "real", "-f", "json"))
    return shown


async def settle(coe: Coe, api: Api, uuid: str, seconds: float) -> dict[str, Any]:
    """Wait until the cluster is no longer in progress; fail with what its operation says."""
    end = time.monotonic() + seconds
    while True:
        answer = await api("GET", f"/v1/clusters/{uuid}")
        assert answer.status_code == 200, answer.text
        if not answer.json()["status"].endswith("_IN_PROGRESS"):
            return await cluster(coe)
        operations = (await api("GET", f"/v1/clusters/{uuid}/operations")).json()
        assert time.monotonic() < end, operations
        await asyncio.sleep(2)


async def gone(api: Api, uuid: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (answer := await api("GET", f"/v1/clusters/{uuid}")).status_code == 200:
        assert answer.json()["status"] == "DELETE_IN_PROGRESS", answer.text
        assert time.monotonic() < end, answer.text
        await asyncio.sleep(2)
    assert answer.status_code == 404


async def delete_leftovers(cloud: Cloud, seconds: float) -> None:
    """Delete everything in the project that has the mark of a cluster."""
    end = time.monotonic() + seconds
    while items := await cloud.owned_items():
        assert time.monotonic() < end, items
        for item in items:
            with suppress(TemporaryError):  # something uses it, which is deleted first
                await cloud.delete_leftover(item)
        await asyncio.sleep(2)
