"""gophercloud, and what terraform and the cluster-autoscaler do with it, against the sandbox.

Rule: the programs in `go/` are the test: they end with 0 when gophercloud took every answer, and say otherwise what it
did not take.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.support.sandbox_process import SandboxProcess

WALKS = ["versions", "templates", "clusters", "nodegroups", "certificates", "newer", "terraform", "autoscaler"]
OF_ADMINISTRATORS = ["quotas", "services"]


@pytest.mark.parametrize("walk", [*WALKS, *OF_ADMINISTRATORS])
def test_a_walk(tool: Any, sandbox: SandboxProcess, keystone: str, walk: str) -> None:
    user = "admin" if walk in OF_ADMINISTRATORS else "demo"
    done = subprocess.run(
        [str(tool("go", "walk")), walk],
        env={
            "OS_AUTH_URL": keystone,
            "OS_USERNAME": user,
            "OS_PASSWORD": "secret",
            "OS_PROJECT_NAME": user,
            "OS_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
