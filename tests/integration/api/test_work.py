"""Operations and the event log."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from services.api.deps import Deps
from shared.db.models import Operation


@pytest.fixture
async def cluster(user: httpx.AsyncClient, template: dict[str, Any]) -> str:
    answer = await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})
    uuid: str = answer.json()["uuid"]
    return uuid


async def test_cancel_then_no_more(user: httpx.AsyncClient, cluster: str) -> None:
    operation = (await user.get("/v1/operations")).json()["operations"][0]
    url = f"/v1/operations/{operation['uuid']}"
    answer = await user.post(f"{url}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"uuid": operation["uuid"]})
    shown = (await user.get(url)).json()
    assert (shown["state"], shown["steps"]) == ("cancelled", [])
    assert (await user.get("/v1/clusters/c1")).json()["status"] == "CREATE_FAILED"
    for action in ("cancel", "retry"):
        assert (await user.post(f"{url}/{action}")).status_code == 409
    assert (await user.get("/v1/operations?state=cancelled,failed")).json()["operations"][0]["uuid"] == operation[
        "uuid"
    ]
    assert (await user.get("/v1/operations?state=running")).json()["operations"] == []


async def test_a_failed_operation_can_be_retried(user: httpx.AsyncClient, cluster: str, deps: Deps) -> None:
    async with deps.db.transaction() as session:
        values = {"state": "failed", "finished_at": deps.clock(), "reason": "no valid host"}
        await session.execute(update(Operation).values(**values))
    operation = (await user.get(f"/v1/clusters/{cluster}/operations")).json()["operations"][0]
    assert operation["reason"] == "no valid host"
    assert (await user.post(f"/v1/operations/{operation['uuid']}/retry")).status_code == 202
    shown = (await user.get(f"/v1/operations/{operation['uuid']}")).json()
    assert (shown["state"], shown["reason"], shown["finished_at"]) == ("queued", None, None)
    assert (await user.get("/v1/clusters/c1")).json()["status"] == "CREATE_IN_PROGRESS"


async def test_operations_come_in_pages(user: httpx.AsyncClient, cluster: str) -> None:
    await user.delete("/v1/clusters/c1")
    first = (await user.get("/v1/operations?limit=1")).json()
    second = (await user.get(first["next"])).json()
    assert [first["operations"][0]["kind"], second["operations"][0]["kind"]] == ["delete", "create"]


async def test_the_log_is_read_from_a_cursor(user: httpx.AsyncClient, cluster: str) -> None:
    first = (await user.get("/v1/events?limit=1")).json()
    assert first["events"][0]["type"] == "io.jeroboam.cluster.create.requested.v1"
    assert first["events"][0]["subject"] == f"clusters/{cluster}"
    await user.delete("/v1/clusters/c1")
    rest = (await user.get(f"/v1/events?after={first['cursor']}")).json()
    assert [event["type"] for event in rest["events"]] == [
        "io.jeroboam.cluster.create.cancelled.v1",
        "io.jeroboam.cluster.delete.requested.v1",
    ]
    only = (await user.get("/v1/events?type=io.jeroboam.cluster.delete.*")).json()["events"]
    assert [event["id"] for event in only] == [rest["events"][1]["id"]]
    for query in ("after=x", "type=nothing.v1", "cluster=c1"):
        assert (await user.get(f"/v1/events?{query}")).status_code == 400
    types = (await user.get("/v1/event-types")).json()["event_types"]
    assert all(entry["schema"]["type"] == "object" for entry in types)
