"""gophercloud, and what terraform and the cluster-autoscaler do with it, against the sandbox.

Rule: the programs in `go/` are the test: they end with 0 when gophercloud took every answer, and say otherwise what it
did not take.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandbox.testing.process import SandboxProcess

WALKS = ["versions", "templates", "clusters", "nodegroups", "certificates", "newer", "terraform", "autoscaler"]
OF_ADMINISTRATORS = ["quotas", "services"]


@pytest.fixture
def go(tool: Any, sandbox: SandboxProcess, keystone: str) -> Callable[[str], None]:
    """go(walk) runs that walk and wants it to succeed."""

    def run(walk: str) -> None:
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

    return run


@pytest.mark.parametrize("walk", [*WALKS, *OF_ADMINISTRATORS])
def test_a_walk(go: Callable[[str], None], walk: str) -> None:
    go(walk)


def test_what_fails(go: Callable[[str], None], keystone: str) -> None:
    faults = f"{keystone.partition('/identity')[0]}/faults"
    hostless = {"no_valid_host": ["^go-broken-.*-default-worker-0$", "-doomed-"]}
    httpx.put(faults, json={"behaviours": hostless}, timeout=10, trust_env=False).raise_for_status()
    try:
        go("failures")
    finally:
        httpx.delete(faults, timeout=10, trust_env=False).raise_for_status()
