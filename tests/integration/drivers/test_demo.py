"""The demo's job with all engines but the usual one, which the README's test runs; templates where beta is enabled."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.demo_engines import ENGINES
from sandbox.run import Sandbox
from tests.support.sandboxes import module_sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

sandbox = module_sandbox(beta_drivers=["dcos"])
# What `jeroboam demo` does once it has started a sandbox, with the one that runs.
JOB = """
import sys
from pathlib import Path
from types import SimpleNamespace
from cli.demo import _main_job
layout = SimpleNamespace(clouds_file=Path(sys.argv[1]), auth_url=sys.argv[2])
_main_job(SimpleNamespace(layout=layout), 4, sys.argv[3])
"""
URL = "https://mirror.example.org/dcos_generate_config.sh"


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "kubernetes"])
async def test_the_demo_passes_with_other_engines(sandbox: Sandbox, engine: str) -> None:
    place = sandbox.layout
    done = await asyncio.to_thread(run, sys.executable, "-c", JOB, place.clouds_file, place.auth_url, engine)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
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
    return run(Path(sys.executable).with_name("jeroboam"), *words, clouds=clouds)


def run(*words: str | Path, clouds: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"OS_CLIENT_CONFIG_FILE": str(clouds)} if clouds else {})}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
