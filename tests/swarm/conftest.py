"""A sandbox whose machines are namespaces with real engines, and Docker's client as a user has it."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.netns.rootfs import ensure_root
from sandbox.run import Sandbox, running_sandbox
from tests.swarm.newer_package import make_repository

HERE = Path(__file__).parent
BIN = Path(__file__).parents[2] / ".venv/bin"
SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.swarm)


class Lab:
    """The running sandbox, and commands of a user of its cloud."""

    def __init__(self, sandbox: Sandbox, newer: str, directory: Path, root: Path) -> None:
        self.sandbox = sandbox
        self.newer = newer  # the version of Docker that machines can be upgraded to
        self.directory = directory
        self._root = root

    @property
    def machines(self) -> Path:
        return self.sandbox.layout.directory / "machines"

    def environment(self) -> dict[str, str]:
        cloud = {"OS_CLIENT_CONFIG_FILE": str(self.sandbox.layout.clouds_file), "OS_CLOUD": "jeroboam"}
        path = f"{BIN}:{self.directory / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": str(self.directory), "SHELL": "/bin/bash", **cloud}

    def run(self, command: str, *, status: int | None = 0) -> str:
        """Run a command of a shell; returns what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.environment(), cwd=self.directory, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert status is None or done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + (done.stderr if status != 0 else "")

    def docker(self, arguments: str, *, status: int | None = 0) -> str:
        """Docker's client with the credentials that `openstack coe cluster config` wrote."""
        return self.run(f"set -a; . ./docker.env; docker {arguments}", status=status)

    def take_config(self, cluster: str) -> None:
        config = f"openstack coe cluster config {shlex.quote(cluster)} --dir {self.directory} --output-certs --force"
        self.run(f"{config} | sed 's/^export //' >docker.env")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert os.geteuid() == 0, "namespaces and mounts need root"
    root = ensure_root()
    directory, layer = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("layer")
    directory.chmod(0o755)
    layer.chmod(0o755)
    newer = make_repository(root, layer, directory / "packages")
    # Docker's client from the machines' root, so that this machine needs none.
    (directory / "bin").mkdir()
    (directory / "bin/docker").symlink_to(root / "usr/bin/docker")
    started: list[Any] = []
    ready, ending = threading.Event(), threading.Event()

    async def serve() -> None:
        # Nodes that are killed must not be waited for as long as in production.
        settings = {"JEROBOAM_DRAIN_TIMEOUT_SECONDS": "60", "JEROBOAM_NODE_JOIN_TIMEOUT_MINUTES": "5"}
        async with running_sandbox(
            hypervisor="netns", machines_layer=layer, extra_environment={"scaler": settings}
        ) as running:
            started.append(running)
            ready.set()
            while not ending.is_set():
                await asyncio.sleep(0.2)

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            started.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    assert ready.wait(300)
    assert isinstance(started[0], Sandbox), started[0]
    yield Lab(started[0], newer, directory, root)
    ending.set()
    thread.join(120)
    assert not thread.is_alive()
