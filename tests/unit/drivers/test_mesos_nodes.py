"""The node script, the health check and the change of attributes really run; services answer over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from sandbox.ports import free_port
from shared.drivers.mesos import credentials, engine
from shared.drivers.registry import get_driver
from tests.support.mesos_machine import MesosMachine
from tests.support.mesos_masters import MesosMasters

CASE = make_case(get_driver("mesos", "ubuntu", "vm"), "octavia").all_joined()
USER = f"{credentials.OPERATOR}:{credentials.secret_of(credentials.OPERATOR, CASE.secrets)}"


class Services:
    """ZooKeeper's `srvr`, Marathon and an agent's metrics. `mode`, `framework` and `registered` are what they say."""

    def __init__(self) -> None:
        self.mode, self.framework, self.leads, self.registered = "follower", "fw-1", True, True
        self.port, self.zookeeper = free_port(), free_port()
        services = self

        class Web(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known: dict[str, Any] = {
                    "/v2/info": {"frameworkId": services.framework, "elected": False},
                    "/metrics/snapshot": {"slave/registered": float(services.registered)},
                }
                if services.leads:
                    known["/v2/leader"] = {"leader": "10.0.0.10:8080"}
                found = known.get(self.path)
                self.send_response(401 if "Authorization" not in self.headers else 404 if found is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: Any) -> None:
                pass

        class Words(StreamRequestHandler):
            def handle(self) -> None:
                assert self.rfile.readline().strip() == b"srvr"
                mode = f"Zookeeper version: 3.8.0\nMode: {services.mode}\n" if services.mode else ""
                said = mode or "This ZooKeeper instance is not currently serving requests\n"
                self.wfile.write(said.encode())

        ThreadingTCPServer.allow_reuse_address = True
        self.servers = [
            ThreadingHTTPServer(("127.0.0.1", self.port), Web),
            ThreadingTCPServer(("127.0.0.1", self.zookeeper), Words),
        ]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def masters() -> Iterator[MesosMasters]:
    running = MesosMasters(USER)
    yield running
    running.close()


@pytest.fixture
def services() -> Iterator[Services]:
    running = Services()
    yield running
    for server in running.servers:
        server.shutdown()
        server.server_close()


def machine_of(
    place: int, directory: Path, masters: MesosMasters, services: Services, case: Case = CASE
) -> MesosMachine:
    made = MesosMachine(directory, masters.ports)
    found = engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    made.write(found)
    made.environment |= {
        "ZOOKEEPER_PORT": str(services.zookeeper),
        "MASTER_PORT": str(masters.ports[1]),
        "AGENT_PORT": str(services.port),
    }
    path = made.root / "etc/jeroboam/node.env"
    path.write_text(path.read_text().replace("MARATHON_PORT=8080", f"MARATHON_PORT={services.port}"))
    return made


@pytest.fixture
def master(tmp_path: Path, masters: MesosMasters, services: Services) -> MesosMachine:
    return machine_of(0, tmp_path, masters, services)


@pytest.fixture
def agent(tmp_path: Path, masters: MesosMasters, services: Services) -> MesosMachine:
    return machine_of(3, tmp_path, masters, services)


def health(machine: MesosMachine) -> str:
    done = machine.run('exec sh "$JEROBOAM_ROOT/etc/jeroboam/health"')
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.strip()


def restarts(machine: MesosMachine) -> list[str]:
    return [call.split()[-1] for call in machine.calls() if call.startswith("restart")]


def test_a_master_starts_its_services_in_order_and_only_once(master: MesosMachine) -> None:
    done = master.join()
    assert done.returncode == 0, done.stderr
    assert restarts(master) == ["zookeeper", "mesos-master", "marathon"]
    assert (master.root / "var/lib/zookeeper/myid").read_text() == "1\n"
    assert "server.3=10.0.0.12:2888:3888" in (master.root / "etc/zookeeper/conf/zoo.cfg").read_text()
    unit = (master.root / "etc/systemd/system/mesos-master.service").read_text()
    assert "@PROGRAM@" not in unit and "/mesos-master\n" in unit
    assert master.join().returncode == 0
    assert len(restarts(master)) == 3, "nothing has changed"
    master.own("acls.json").write_text("{}\n")
    assert master.join().returncode == 0
    assert restarts(master)[3:] == ["mesos-master"]


def test_an_image_without_mesos_is_named(master: MesosMachine) -> None:
    (master._programs / "marathon").unlink()
    done = master.join()
    assert done.returncode == 1 and "the image has no marathon" in done.stderr


def test_health_of_a_master(master: MesosMachine, masters: MesosMasters, services: Services) -> None:
    assert health(master) == ""
    services.mode = ""
    assert health(master) == "ZooKeeper has no quorum"
    services.mode, masters.recovered = "leader", False
    assert "has not recovered" in health(master)
    masters.recovered, masters.leader = True, None
    assert health(master) == "no Mesos master leads"
    masters.leader, services.framework = 1, ""
    assert health(master) == "Marathon is not registered at Mesos"
    services.framework, services.leads = "fw", False
    assert health(master) == "Marathon has no leader"
    services.servers[0].shutdown()
    services.servers[0].server_close()
    assert health(master).endswith("Marathon does not answer")


def test_an_agent_joins_and_its_health(agent: MesosMachine, services: Services) -> None:
    done = agent.join()
    assert done.returncode == 0, done.stderr
    assert restarts(agent) == ["docker", "mesos-slave"]
    assert health(agent) == ""
    services.registered = False
    assert health(agent) == "the Mesos agent is not registered at a master"


def test_an_agent_is_prepared_for_monitoring_before_it_takes_tasks(
    tmp_path: Path, masters: MesosMasters, services: Services
) -> None:
    case = CASE.with_labels(monitoring_enabled="true", container_infra_prefix="registry.example.org/m/")
    agent = machine_of(3, tmp_path, masters, services, case)
    agent.program("chown", '#!/bin/sh\necho "chown $*" >>"$FAKE/calls"\n')
    done = agent.join()
    assert done.returncode == 0, done.stderr
    calls = [call.split()[0] for call in agent.calls() if call.startswith("chown") or call == "restart mesos-slave"]
    assert calls == ["chown", "chown", "restart"]
    assert (agent.root / "var/lib/jeroboam/monitoring/json-exporter/config.yml").is_file()


def set_attributes(machine: MesosMachine, text: str) -> list[str]:
    before = len(machine.calls())
    done = machine.command("set-attributes", attributes=text)
    assert done.returncode == 0, done.stderr
    changing = ("kill", "restart")
    return [call for call in machine.calls()[before:] if call.startswith(changing)]


def test_added_attributes_leave_tasks_alone_and_others_make_the_agent_leave(agent: MesosMachine) -> None:
    assert agent.join().returncode == 0
    latest = agent.root / "var/lib/mesos/agent/meta/slaves/latest"
    latest.parent.mkdir(parents=True)
    latest.touch()
    first = agent.own("attributes.applied").read_text().strip()
    assert set_attributes(agent, f"{first};disk:ssd") == ["restart mesos-slave"]
    assert latest.exists()
    assert set_attributes(agent, f"{first};disk:ssd") == [], "it has them already"
    left = ["kill --signal=SIGUSR1 mesos-slave", "restart mesos-slave"]
    assert set_attributes(agent, f"{first};disk:hdd") == left
    assert not latest.exists()
    assert set_attributes(agent, first) == left
    assert agent.own("attributes.env").read_text() == f"MESOS_ATTRIBUTES='{first}'\n"


def test_texts_that_are_no_attributes_are_refused(agent: MesosMachine) -> None:
    done = agent.command("set-attributes", attributes="a:b' ; touch /x")
    assert done.returncode == 1 and "no attributes" in done.stderr


def test_facts(master: MesosMachine) -> None:
    assert master.run('exec sh "$JEROBOAM_ROOT/etc/jeroboam/facts"').stdout.strip() == "mesos_version=1.11.0"
