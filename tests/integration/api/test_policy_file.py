"""An operator's policy.yaml: in force without a restart."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from shared.db.engine import Database
from tests.support.memory_api import detail, memory_api


async def test_a_rule_changes_while_the_api_runs(database: Database, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"cluster:resize": "role:chief"\n')
    async with memory_api(database, database_url, policy_file=file) as api:
        await api.built()
        url = "/v1/clusters/c1/actions/resize"
        refused = await api.client.post(url, json={"node_count": 2})
        assert (refused.status_code, detail(refused)) == (403, "Policy doesn't allow cluster:resize to be performed.")
        assert (await api.client.patch("/v1/clusters/c1", json=[])).status_code == 202

        file.write_text('"cluster:resize": "role:member"\n')
        os.utime(file, (2_000_000_000, 2_000_000_000))
        async with asyncio.timeout(60):
            while (await api.client.post(url, json={"node_count": 2})).status_code == 403:
                await asyncio.sleep(0.1)
        assert (await api.operation("c1"))["kind"] == "resize"
