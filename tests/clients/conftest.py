"""Suites written elsewhere, each run from an environment of its own against one sandbox.

Rule: nothing of a suite is changed; what it needs to know of the cloud is its own configuration file. The tools are
where `JEROBOAM_CLIENTS` says (`make test-clients` sets it).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.testing.process import SandboxProcess

HERE = Path(__file__).parent

Tool = Callable[[str, str], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def tool() -> Tool:
    """tool("rally", "rally") -> the program of that environment."""
    place = os.environ.get("JEROBOAM_CLIENTS")
    assert place, "JEROBOAM_CLIENTS names no place: run `make test-clients`"

    def find(environment: str, program: str) -> Path:
        return Path(place) / environment / "bin" / program

    return find


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    running = SandboxProcess()
    yield running
    assert running.interrupt() == 0


@pytest.fixture(scope="session")
def keystone(sandbox: SandboxProcess) -> str:
    """The sandbox's identity URL."""
    found = re.search(r"Keystone +(\S+)", sandbox.output)
    assert found, sandbox.output
    return found[1]
