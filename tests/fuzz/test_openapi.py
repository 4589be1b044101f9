"""`make fuzz`: schemathesis with all its checks against the whole of Jeroboam on the sandbox.

Rule: things exist that its requests can meet (a template, a cluster, a nodegroup, a federation), so that not everything
ends as 404. What it may expect of bodies that name things that do not exist is in schemathesis.toml.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import httpx
import pytest

from sandbox.run import running_sandbox
from tests.support.client import demo_client, issue_token

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("JEROBOAM_FUZZ_EXAMPLES", "700")
ENOUGH = 20_000


async def test_every_check_on_every_route(tmp_path: Path) -> None:
    # Requests by the thousand make clusters by the dozen: small ones, and room for them.
    room = {"JEROBOAM_MAX_CLUSTERS_PER_PROJECT": "100000", "JEROBOAM_MAX_NODES_PER_CLUSTER": "10"}
    async with running_sandbox(durable=False, extra_environment={"api": room}) as sandbox:
        async with demo_client(sandbox) as client:
            await client.template(name="k8s", master_lb_enabled=True)
            cluster = await client.create("demo", cluster_template_id="k8s", node_count=1)
            assert await client.settled(cluster) == "CREATE_COMPLETE"
        token = await issue_token(sandbox.layout.auth_url)
        command = [
            str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
            *("--config-file", str(ROOT / "schemathesis.toml"), "run", f"{sandbox.api_url}/openapi.json"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES),
            *("--header", f"X-Auth-Token: {token}", "--request-timeout", "60", "--workers", "2"),
            *("--continue-on-failure", "--exclude-path", "/v1/events/stream", "--no-color"),
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=3400, check=False
        )
        report = done.stdout
        (count,) = re.findall(r"(\d+) generated", report)
        print(report[report.index(" SUMMARY ") :])
        assert done.returncode == 0, report
        assert int(count) >= ENOUGH
        async with httpx.AsyncClient(base_url=sandbox.api_url, trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 200
