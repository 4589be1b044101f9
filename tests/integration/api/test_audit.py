"""The audit log: every request for a change, with its outcome, which only operators can read."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.db.engine import Database
from tests.support.memory_api import TEMPLATE, MemoryApi, memory_api

ON = {"enabled": True}
ADMIN = {"X-Auth-Token": "admin"}


async def records(api: MemoryApi, **headers: str) -> list[dict[str, Any]]:
    """What an administrator, or another caller, reads of the audit log."""
    answer = await api.client.get("/v1/events?type=request.*&limit=1000", headers={**ADMIN, **headers})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


async def test_who_asked_what_from_where_with_which_outcome(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        headers = {"User-Agent": "tests/1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        made = await api.client.post("/v1/clustertemplates", json=TEMPLATE, headers=headers)
        assert made.status_code == 201
        (event,) = await records(api)
        assert event["type"] == "io.jeroboam.request.accepted.v1"
        assert (event["projectid"], event["traceparent"]) == ("", headers["traceparent"])
        record = event["data"]
        request_id = made.headers["x-openstack-request-id"]
        assert event["subject"] == f"requests/{request_id}"
        assert record == {
            "request_id": request_id,
            "method": "POST",
            "route": "/v1/clustertemplates",
            "path": "/v1/clustertemplates",
            "status": 201,
            "location": made.headers.get("location"),
            "user_id": "u1",
            "user_name": "u1",
            "project_id": "p1",
            "roles": ["member", "reader"],
            "address": "127.0.0.1",
            "agent": "tests/1",
        }


@pytest.mark.parametrize(
    ("token", "method", "path", "body", "status", "user"),
    [
        ("unknown", "DELETE", "/v1/clusters/c1", None, 401, None),
        ("reader", "POST", "/v1/clustertemplates", TEMPLATE, 403, "u3"),
        ("user", "POST", "/v1/clustertemplates", {"name": 1}, 400, "u1"),
        ("user", "DELETE", "/v1/clusters/a%00b", None, 404, "u1"),
        ("user", "PATCH", "/v1/nothing", None, 405, "u1"),
    ],
)
async def test_refusals(
    database: Database, database_url: str, token: str, method: str, path: str, body: Any, status: int, user: str | None
) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        answer = await api.client.request(method, path, json=body, headers={"X-Auth-Token": token})
        assert answer.status_code == status, answer.text
        (event,) = await records(api)
        assert event["type"] == "io.jeroboam.request.rejected.v1"
        record = event["data"]
        assert (record["status"], record["user_id"], record["method"]) == (status, user, method)
        assert record["path"] == path.replace("%00", "\N{REPLACEMENT CHARACTER}")


async def test_reads_and_agents_are_not_recorded(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        await api.client.get("/v1/clusters")
        await api.client.get("/v1/clusters/none")
        await api.client.post("/v1/nodes/none/reports", json={})
        assert await records(api) == []


async def test_it_is_off_by_default(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url) as api:
        assert (await api.client.post("/v1/clustertemplates", json=TEMPLATE)).status_code == 201
        assert await records(api) == []


async def test_users_do_not_read_it(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        await api.client.post("/v1/clustertemplates", json=TEMPLATE)
        await api.client.post("/v1/clustertemplates", json=TEMPLATE, headers={"X-Auth-Token": "stranger"})
        assert len(await records(api)) == 2
        for token in ("user", "reader", "stranger"):
            assert await records(api, **{"X-Auth-Token": token}) == []


async def test_what_callers_choose_is_cut(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        await api.client.delete(f"/v1/clusters/{'x' * 3000}", headers={"User-Agent": "y" * 3000})
        record = (await records(api))[0]["data"]
        assert (len(record["path"]), len(record["agent"])) == (255, 255)


async def test_refusals_are_recorded_up_to_a_rate_and_changes_always(database: Database, database_url: str) -> None:
    limits = ON | {"refusals_per_address": 0.01, "burst_seconds": 300}
    async with memory_api(database, database_url, audit=limits) as api:
        for _ in range(10):
            assert (await api.client.delete("/v1/clusters/none")).status_code == 404
        for name in ("a", "b"):
            assert (await api.client.post("/v1/clustertemplates", json=TEMPLATE | {"name": name})).status_code == 201
        statuses = [event["data"]["status"] for event in await records(api)]
        assert statuses == [404, 404, 404, 201, 201]


async def test_a_record_that_cannot_be_stored_is_logged(database: Database, database_url: str) -> None:
    async with memory_api(database, database_url, audit=ON) as api:
        await api.sql("ALTER TABLE events ADD CONSTRAINT none CHECK (type NOT LIKE 'request.%') NOT VALID")
        with capture_logs() as lines:
            made = await api.client.post("/v1/clustertemplates", json=TEMPLATE)
        assert made.status_code == 201
        (line,) = [line for line in lines if line["event"] == "audit.not_stored"]
        assert line["record"]["request_id"] == made.headers["x-openstack-request-id"]
        assert line["record"]["user_id"] == "u1"
