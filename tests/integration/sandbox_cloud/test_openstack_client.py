"""The `openstack` command, which nobody here wrote, works on the simulated cloud."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.openstack.testing import TestCloud

OPENSTACK = Path(sys.executable).with_name("openstack")


async def openstack(cloud: TestCloud, *arguments: str) -> tuple[int, Any, str]:
    """Exit status, the JSON it printed (None for nothing), and what it said on standard error."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **cloud.environment()}
    process = await asyncio.create_subprocess_exec(
        OPENSTACK, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out.strip() else None, error.decode()


@pytest.mark.parametrize(
    ("arguments", "field", "expected"),
    [
        (("token", "issue"), "project_id", None),
        (
            ("image", "list"),
            "Name",
            {"ubuntu-24.04", "ubuntu-22.04", "fedora-coreos", "flatcar", "dcos-centos-8", "plain"},
        ),
        (("network", "list"), "Name", {"public"}),
        (("server", "list"), "Name", {"machine"}),
    ],
)
async def test_what_it_shows(
    cloud: TestCloud, arguments: tuple[str, ...], field: str, expected: set[str] | None
) -> None:
    fields = {"name": "machine", "flavorRef": "2", "imageRef": None, "networks": "none"}
    cloud.cloud.servers.create(cloud.project_ids["demo"], cloud.user_ids["demo"], fields, {})
    status, shown, error = await openstack(cloud, *arguments, "-f", "json")
    assert status == 0, error
    if expected is None:
        assert shown[field] == cloud.project_ids["demo"]
    else:
        assert {row[field] for row in shown} == expected


async def test_what_it_refuses(cloud: TestCloud) -> None:
    status, _, error = await openstack(cloud, "network", "show", "nope")
    assert status == 1
    assert "nope" in error
