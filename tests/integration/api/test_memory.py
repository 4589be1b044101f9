"""What large resources and hostile bodies cost the process, measured as its memory."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
from sqlalchemy import text

from sandbox.openstack.testing import TestCloud
from shared.db.engine import Database
from tests.integration.api.conftest import issue_token
from tests.support.api_process import api_process

MIB = 2**20
# Each as large as its labels may be; they do not compress.
_TEMPLATES = text("""
INSERT INTO cluster_templates (uuid, name, project_id, user_id, coe, image_id, labels, server_type)
SELECT gen_random_uuid()::text, 'x' || n, :project, 'u', 'kubernetes', 'i',
    (SELECT jsonb_object_agg('label' || m, repeat(md5(random()::text), 3)) FROM generate_series(1, 300) m), 'vm'
FROM generate_series(1, 200) n
""")


async def test_large_lists_and_hostile_bodies(
    openstack: TestCloud, database: Database, database_url: str, tmp_path: Path
) -> None:
    token = await issue_token(openstack, "demo", "demo")
    async with database.transaction() as session:
        await session.execute(_TEMPLATES, {"project": openstack.project_ids["demo"]})
    async with (
        api_process(openstack, database_url, tmp_path / "api.log") as api,
        httpx.AsyncClient(base_url=api.url, headers={"X-Auth-Token": token}, trust_env=False, timeout=60) as client,
    ):
        first = await client.get("/v1/clustertemplates")
        assert len(first.content) < 3 * MIB
        assert len(first.json()["clustertemplates"]) > 20
        before = api.resident()
        for _ in range(2):
            answers = await asyncio.gather(*(client.get("/v1/clustertemplates") for _ in range(10)))
            assert {answer.status_code for answer in answers} == {200}
        following, number = "/v1/clustertemplates", 0
        while following:
            page = (await client.get(following)).json()
            number += len(page["clustertemplates"])
            following = page.get("next")
        assert number == 200
        assert api.peak() - before < 250 * MIB

        before = api.peak()
        for body in (b"[" * MIB, b'{"a":' * (MIB // 5), b"[1," * 32768, b'"' * MIB, b'"' + b'\\"' * 65000):
            started = time.monotonic()
            answer = await client.post("/v1/clusters", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 413)
            assert time.monotonic() - started < 2
        assert api.peak() - before < 30 * MIB
