"""What a Mesos cluster's nodes get for monitoring works: Debian's Prometheus with that configuration scrapes Debian's
node exporter, which was started with the arguments of its app, and the metrics of Mesos masters.

As deployed, but for ports and addresses. The JSON exporter, cAdvisor and the masters are stand-ins.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from jeroboam.driver import MASTER, WORKER
from sandbox.ports import free_port
from shared.drivers.mesos import credentials
from tests.support.json_exporter import json_exporter
from tests.support.loopback_server import serving
from tests.support.mesos_machine import MesosMachine
from tests.support.mesos_masters import Agent, MesosMasters
from tests.support.monitored_mesos import DIRECTORY, bootstrap, case, files
from tests.support.prometheus_programs import node_exporter
from tests.support.prometheus_server import prometheus, until

CASE = case()
CONTAINERS = """\
container_memory_working_set_bytes{image="a",container_env_marathon_app_id="/web",id="/docker/1"} 5
container_memory_working_set_bytes{image="a",container_env_marathon_app_id="/web",id="/docker/2"} 7
container_memory_working_set_bytes{id="/"} 99
"""


@contextmanager
def cadvisor() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(CONTAINERS.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as port:
        yield port


@asynccontextmanager
async def exporter_of_nodes(arguments: list[str]) -> AsyncIterator[int]:
    port = free_port()
    moved = {
        "--path.rootfs=/host": "--path.rootfs=/",
        "--web.listen-address=:9100": f"--web.listen-address=127.0.0.1:{port}",
    }
    assert moved.keys() <= set(arguments)
    process = await asyncio.create_subprocess_exec(
        node_exporter(), *(moved.get(each, each) for each in arguments), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


def arguments_of(app: str) -> list[str]:
    text = files(CASE, MASTER)[f"{DIRECTORY}group.json"]["content"]
    (arguments,) = [each["args"] for each in json.loads(text)["apps"] if each["id"] == f"/monitoring/{app}"]
    return list(arguments)


def note_targets(agent: MesosMachine, *names: str) -> None:
    done = agent.command("note-targets", agents=" ".join(f"{name}/127.0.0.1" for name in names))
    assert done.returncode == 0, done.stderr


def agent_of(directory: Path) -> MesosMachine:
    """An agent that is ready for Prometheus, which scrapes `a-0` and `a-1`."""
    agent = MesosMachine(directory, [])
    agent.program("chown", "#!/bin/sh\n")
    agent.write(bootstrap(CASE, WORKER))
    assert agent.run('. "$JEROBOAM_ROOT/etc/jeroboam/monitoring.sh"; prepare_monitoring').returncode == 0
    note_targets(agent, "a-0", "a-1")
    return agent


def move(config: Path, ports: dict[int, int], masters: list[int]) -> None:
    """Change the ports of a configuration of Prometheus, the addresses of masters, and the intervals."""
    text = config.read_text()
    for old, new in ports.items():
        assert text.count(f":{old}") == 1
        text = text.replace(f":{old}", f":{new}")
    addresses = re.findall(r"http://[0-9.]+:5050", text)
    for address, port in zip(addresses, masters, strict=True):
        text = text.replace(address, f"http://127.0.0.1:{port}")
    changed = yaml.safe_load(text)
    changed["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config.write_text(yaml.safe_dump(changed))


@pytest.fixture
def masters() -> Iterator[MesosMasters]:
    secret = credentials.secret_of(credentials.MONITORING, CASE.secrets)
    running = MesosMasters(f"{credentials.MONITORING}:{secret}", count=3)
    for name in ("a", "b"):
        running.add(Agent(f"S-{name}", name))
    running.leader = 1
    yield running
    running.close()


async def test_prometheus_scrapes_agents_and_masters(tmp_path: Path, masters: MesosMasters) -> None:
    agent = agent_of(tmp_path)
    directory = agent.root / "etc/jeroboam/monitoring"
    config = directory / "prometheus/prometheus.yml"
    panels = json.loads((directory / "grafana/dashboards/cluster.json").read_text())["panels"]
    translation = (agent.root / "var/lib/jeroboam/monitoring/json-exporter/config.yml").read_text()
    with json_exporter(translation) as translated, cadvisor() as containers:
        async with exporter_of_nodes(arguments_of("node-exporter")) as machines:
            move(config, {9100: machines, 9101: containers, 7979: translated}, masters.ports)
            async with prometheus(config) as client:
                nodes = await until(client, "node_uname_info", lambda found: len(found) == 2)
                assert {each["metric"]["instance"] for each in nodes} == {"a-0", "a-1"}
                assert {each["metric"]["nodename"] for each in nodes} == {os.uname().nodename}
                elected = await until(client, "mesos_elected", lambda found: len(found) == 3)
                leading = {each["metric"]["instance"] for each in elected if each["value"][1] == "1"}
                assert leading == {[node.name for node in CASE.nodes if node.is_master][1]}
                await check_panels(client, panels)
                # A node that leaves is not scraped any more, and no alert is about it.
                note_targets(agent, "a-1")
                await until(client, "up{job='node-exporter'}", lambda found: len(found) == 1)
                # A master that does not answer is a target that is down.
                masters.user = "monitoring:another"
                await until(client, "up{job='mesos'} == 0", lambda found: len(found) == 3)


async def check_panels(client: httpx.AsyncClient, panels: list[dict[str, Any]]) -> None:
    """What the dashboard shows of the nodes, masters and containers here."""
    shown = {panel["title"]: panel["targets"][0]["expr"] for panel in panels}
    (agents,) = await until(client, shown["Mesos: agents"], bool)
    assert agents["value"][1] == "2"
    (used,) = await until(
        client, shown["Memory of containers"], lambda found: bool(found) and found[0]["value"][1] == "24"
    )
    assert used["metric"] == {"container_env_marathon_app_id": "/web"}
    for title in ("Memory used", "Fullest file system", "Load per CPU"):
        assert await until(client, shown[title], lambda found: len(found) == 2), title
    for expression in [target["expr"] for panel in panels for target in panel["targets"]]:
        answer = await client.get("/api/v1/query", params={"query": expression})
        assert answer.json()["status"] == "success", answer.text
