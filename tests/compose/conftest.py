"""The stack of deploy/docker-compose.yml on an engine of the test's own, and commands of a user of its cloud."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.engine import ROOT, Engine
from tests.compose.images import environment, make_base_images

HERE = Path(__file__).parent
API, CLOUD = 9511, 9512
# What is shown when a test fails.
LINES = 60  # of each container
UNDER_WAY = "SELECT *, now() FROM operations WHERE finished_at IS NULL"
NODES = "SELECT name, state, reason, announced_at, joined_at FROM nodes"
BACKENDS = "SELECT application_name, state, wait_event, xact_start, left(query, 200) FROM pg_stat_activity"
SETTINGS = """
JEROBOAM_LEASE_SECONDS=6
JEROBOAM_POLL_SECONDS=1
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.compose)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of all containers to the report of a failed test."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and stack is not None:
        report.sections.append(("containers", stack.last_words()))
    return report


class Stack:
    """The stack. Its addresses are those of a laptop: loopback is that of the test's own network namespace."""

    image = "jeroboam-ci/jeroboam:latest"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.settings = engine.directory / "settings.env"
        self.settings.write_text((ROOT / "deploy/sandbox.env").read_text() + SETTINGS)
        self.clouds_file = ROOT / "deploy/out/clouds.yaml"

    def environment(self) -> dict[str, str]:
        return {
            **self.engine.environment(),
            **environment(),
            "JEROBOAM_IMAGE": self.image,
            "SETTINGS_FILE": str(self.settings),
            "HEALTH_INTERVAL": "3s",
            # So that processes can be killed while a cluster is created.
            "SANDBOX_SCALE": "3",
            "OS_CLIENT_CONFIG_FILE": str(self.clouds_file),
            "OS_CLOUD": "jeroboam",
            "TERM": "dumb",
        }

    def run(self, *command: str, status: int = 0, seconds: float = 500) -> str:
        """Run a command on this machine; returns what it printed."""
        done = subprocess.run(
            command, env=self.environment(), cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == status, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def compose(self, *arguments: str) -> str:
        return self.run("docker", "compose", "-f", "deploy/docker-compose.yml", *arguments)

    def last_words(self) -> str:
        """What the database says of work that is under way, and the last lines of each container."""
        compose = ("docker", "compose", "-f", "deploy/docker-compose.yml")
        said = ""
        for command in (
            ("exec", "-T", "database", "psql", "-U", "jeroboam", "-x", "-c", UNDER_WAY, "-c", NODES, "-c", BACKENDS),
            ("logs", "--no-color", f"--tail={LINES}"),
        ):
            done = subprocess.run(
                [*compose, *command],
                env=self.environment(),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said += done.stdout + done.stderr
        return said

    def jeroboam(self, *arguments: str) -> str:
        return self.run("jeroboam", *arguments)

    def listed(self, *arguments: str) -> Any:
        """Run `jeroboam --format json ...`."""
        return json.loads(self.jeroboam("--format", "json", *arguments))

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def kill(self, service: str) -> None:
        """SIGKILL the process of a service's first container, as a crash would, and check that it is started again."""
        container = self.containers(service)[0]
        # The first process is `docker-init`, the second one the service's; both die with the first.
        before = self.engine.inspect(container)
        os.kill(before["State"]["Pid"], 9)
        deadline = time.monotonic() + 60
        while True:
            now = self.engine.inspect(container)
            if now["RestartCount"] > before["RestartCount"] and now["State"]["Running"]:
                return
            assert time.monotonic() < deadline, f"{service} was not started again: {now['State']}"
            time.sleep(0.1)

    def wait_healthy(self, seconds: float = 180) -> None:
        """Wait until no container is starting or unhealthy."""
        deadline = time.monotonic() + seconds
        while True:
            lines = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
            wrong = {line["Service"]: line["Status"] for line in lines if line.get("Health") != "healthy"}
            if not wrong:
                return
            assert time.monotonic() < deadline, wrong
            time.sleep(0.5)

    def token(self) -> str:
        return self.run("openstack", "token", "issue", "-f", "value", "-c", "id").strip()

    def get(self, path: str, token: str) -> Any:
        response = httpx.get(
            f"http://127.0.0.1:{API}{path}", headers={"X-Auth-Token": token}, timeout=10, trust_env=False
        )
        response.raise_for_status()
        return response.json()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    assert os.geteuid() == 0, "namespaces and mounts need root"
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-compose-"))
    running = Engine(directory)
    running.start()
    try:
        yield running
    finally:
        running.stop()
        running.remove()


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Stack:
    """The stack, with its images, not started."""
    began = time.monotonic()
    make_base_images(engine.docker)
    print(f"base images after {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    made = Stack(engine)
    # Compose would build it without BuildKit, because Debian has no buildx.
    arguments = [f"--build-arg={name}={environment()[name]}" for name in ("PYTHON_IMAGE", "BUILD_IMAGE")]
    made.run(
        "env", "DOCKER_BUILDKIT=1", "docker", "build", "--quiet", "--file=deploy/Dockerfile", *arguments,
        f"--tag={made.image}", ".",
    )  # fmt: skip
    print(f"image after {time.monotonic() - began:.1f} s")
    return made
