"""The demo's job with each engine, and the templates that are seeded where beta drivers are enabled."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import demo
from cli.demo_engines import ENGINES
from sandbox.run import Sandbox
from tests.support.sandboxes import module_sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    # openstacksdk's, of parts that are not used here.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

sandbox = module_sandbox(beta_drivers=["dcos"])
URL = "https://mirror.example.org/dcos_generate_config.sh"


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_demo_passes_with_every_engine(
    sandbox: Sandbox, engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "")  # the demo sets it
    await asyncio.to_thread(demo._main_job, sandbox, 4, engine)
    said = capsys.readouterr().out
    assert f"Creating a {ENGINES[engine].title} cluster of 3 masters and 1 workers" in said
    assert f"{engine}-demo" in said and "nothing left behind" in said and "valid" in said


async def test_an_engine_that_the_demo_does_not_know_is_named() -> None:
    done = await asyncio.to_thread(jeroboam, "demo", "--engine", "nomad")
    assert done.returncode == 1
    assert "'nomad' is none of kubernetes, swarm, mesos, dcos" in done.stderr


async def test_the_template_of_a_beta_driver_is_seeded_where_it_is_enabled(sandbox: Sandbox) -> None:
    async def seed(*options: str) -> str:
        words = ("--os-cloud", "jeroboam-admin", "template", "seed", "--image", "ubuntu-24.04", *options)
        done = await asyncio.to_thread(jeroboam, *words, clouds=sandbox.layout.clouds_file)
        assert done.returncode == 0, done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith("dcos: "))

    assert await seed() == "dcos: skipped; its nodes are installed from --dcos-generate-config-url"
    assert (await seed("--dcos-generate-config-url", URL)).startswith("dcos: created ")
    assert await seed("--dcos-generate-config-url", URL) == "dcos: unchanged"


def jeroboam(*words: str, clouds: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"OS_CLIENT_CONFIG_FILE": str(clouds)} if clouds else {})}
    program = Path(sys.executable).with_name("jeroboam")
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=120, check=False)
