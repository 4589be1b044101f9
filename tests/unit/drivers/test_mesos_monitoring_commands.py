"""Monitoring on Mesos: which commands nodes get, and the commands, which really run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jeroboam.driver import MASTER, WORKER, NodeAction, NodeSpec
from jeroboam.testing.cases import Case
from shared.drivers.mesos import credentials, engine
from tests.support.marathon import Marathon
from tests.support.mesos_machine import MesosMachine
from tests.support.monitored_mesos import bootstrap, case


def actions(case: Case, nodes: list[NodeSpec]) -> dict[str, NodeAction]:
    found = engine.settling(case.cluster, case.groups, nodes)
    names = [action.command for action in found]
    assert names[-2:] in (["note-targets", "deploy-monitoring"], ["note-agents"] * 2, ["note-agents"]), names
    return {action.command: action for action in found}


def test_prometheus_stays_on_the_first_agent_that_works() -> None:
    whole = case(workers=3)
    nodes = list(whole.nodes)
    workers = [node for node in nodes if node.role == WORKER]
    found = actions(whole, nodes)
    assert found["note-targets"].node_id == workers[0].uuid
    assert found["note-targets"].args["agents"] == " ".join(f"{each.name}/{each.ip_address}" for each in workers)
    assert found["deploy-monitoring"].args == {"agents": 3, "home": workers[0].uuid}
    assert next(node for node in nodes if node.uuid == found["deploy-monitoring"].node_id).is_master
    # Nodes of another nodegroup, an older one included, are not preferred; the order of nodes does not matter.
    other = replace(workers[2], uuid="o", nodegroup_id="0", index=0, name="other-0")
    assert actions(whole, [other, *reversed(nodes)])["deploy-monitoring"].args == {
        "agents": 4,
        "home": workers[0].uuid,
    }
    failed = [replace(node, state="failed") if node == workers[0] else node for node in nodes]
    assert actions(whole, failed)["deploy-monitoring"].args == {"agents": 3, "home": workers[1].uuid}
    only = [node for node in nodes if node.is_master] + [other]
    assert actions(whole, only)["deploy-monitoring"].args == {"agents": 1, "home": "o"}
    assert "deploy-monitoring" not in actions(whole, [replace(each, state="failed") for each in workers] + nodes[:3])


@pytest.fixture
def marathon() -> Iterator[Marathon]:
    running = Marathon(f"{credentials.ADMIN}:{credentials.secret_of(credentials.ADMIN, case().secrets)}")
    yield running
    running.close()


def machine_of(directory: Path, whole: Case, role: str, marathon: Marathon) -> MesosMachine:
    made = MesosMachine(directory, [])
    made.program("chown", '#!/bin/sh\necho "chown $*" >>"$FAKE/calls"\n')
    made.write(bootstrap(whole, role))
    path = made.root / "etc/jeroboam/node.env"
    path.write_text(path.read_text().replace("MARATHON_PORT=8080", f"MARATHON_PORT={marathon.port}"))
    return made


def test_a_master_gives_marathon_the_apps(tmp_path: Path, marathon: Marathon) -> None:
    # A password that looks like a place stays a password.
    whole = case(grafana_admin_passwd="@HOME@")
    master = machine_of(tmp_path, whole, MASTER, marathon)
    marathon.failures = 2
    for _ in range(2):
        done = master.command("deploy-monitoring", agents=2, home="0198-ab")
        assert done.returncode == 0, done.stderr
    assert marathon.deployments == ["/monitoring"], "nothing has changed the second time"
    found = {app["id"]: app for app in marathon.groups["/monitoring"]["apps"]}
    assert {name: app["instances"] for name, app in found.items()} == {
        "/monitoring/node-exporter": 2,
        "/monitoring/cadvisor": 2,
        "/monitoring/prometheus": 1,
        "/monitoring/grafana": 1,
        "/monitoring/json-exporter": 1,
    }
    assert found["/monitoring/prometheus"]["constraints"] == [["jeroboam_node", "CLUSTER", "0198-ab"]]
    assert found["/monitoring/grafana"]["env"]["GF_SECURITY_ADMIN_PASSWORD"] == "@HOME@"
    assert master.command("deploy-monitoring", agents=3, home="0198-ab").returncode == 0
    assert [app["instances"] for app in marathon.groups["/monitoring"]["apps"]][:2] == [3, 3]


def test_what_marathon_says_is_told(tmp_path: Path, marathon: Marathon) -> None:
    master = machine_of(tmp_path, case(), MASTER, marathon)
    marathon.user = "admin:another"
    done = master.command("deploy-monitoring", agents=2, home="a")
    assert done.returncode == 1 and "401 " in done.stderr and "Invalid username" in done.stderr
    assert credentials.secret_of(credentials.ADMIN, case().secrets) not in done.stdout + done.stderr
    master.environment["JEROBOAM_MESOS_RETRY_SECONDS"] = "1"
    marathon.failures = 10_000
    marathon.user = f"admin:{credentials.secret_of(credentials.ADMIN, case().secrets)}"
    done = master.command("deploy-monitoring", agents=2, home="a")
    assert done.returncode == 1 and "did not take the apps of monitoring: 503" in done.stderr
    for arguments in ({"agents": "2; x", "home": "a"}, {"agents": 2, "home": "a/b"}, {"agents": 2}):
        assert master.command("deploy-monitoring", **arguments).returncode == 1
    assert marathon.groups == {}


def test_prometheus_gets_the_list_of_all_agents(tmp_path: Path, marathon: Marathon) -> None:
    whole = case(workers=3)
    agent = machine_of(tmp_path, whole, WORKER, marathon)
    action = actions(whole, list(whole.nodes))["note-targets"]
    for _ in range(2):
        done = agent.command(action.command, **action.args)
        assert done.returncode == 0, done.stderr
    path = agent.root / "etc/jeroboam/monitoring/prometheus/agents.json"
    workers = [node for node in whole.nodes if node.role == WORKER]
    assert json.loads(path.read_text()) == [
        {"targets": [node.ip_address], "labels": {"instance": node.name}} for node in workers
    ]
    assert path.stat().st_mode & 0o777 == 0o644
    done = agent.command("note-targets", agents='a/1", "x')
    assert done.returncode == 1 and "no names and addresses" in done.stderr


def test_users_of_the_images_can_read_and_write_what_they_need(tmp_path: Path, marathon: Marathon) -> None:
    agent = machine_of(tmp_path, case(), WORKER, marathon)
    for _ in range(2):
        done = agent.run('set -eu; . "$JEROBOAM_ROOT/etc/jeroboam/monitoring.sh"; prepare_monitoring')
        assert done.returncode == 0, done.stderr
    configuration, data = agent.root / "etc/jeroboam/monitoring", agent.root / "var/lib/jeroboam/monitoring"
    # Directories and files that another user than root can read.
    for place in ("prometheus", "grafana/datasources", "grafana/providers", "grafana/dashboards"):
        assert (configuration / place).stat().st_mode & 0o777 == 0o755
        assert {path.stat().st_mode & 0o777 for path in (configuration / place).iterdir()} == {0o644}
    secret = data / "json-exporter/config.yml"
    assert secret.stat().st_mode & 0o777 == 0o400 and (configuration / "json-exporter.yml").stat().st_mode & 0o77 == 0
    assert secret.read_text() == (configuration / "json-exporter.yml").read_text()
    assert [f"chown 65534:65534 {data}/{name}" for name in ("prometheus", "json-exporter/config.yml.new")] == (
        agent.calls()[:2]
    )


def test_a_thousand_agents_fit_into_a_command(tmp_path: Path, marathon: Marathon) -> None:
    agent = machine_of(tmp_path, case(), WORKER, marathon)
    named = " ".join(
        f"a-cluster-with-a-rather-long-name-default-worker-{n}/10.0.{n // 250}.{n % 250}" for n in range(1000)
    )
    done = agent.command("note-targets", agents=named)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((agent.root / "etc/jeroboam/monitoring/prometheus/agents.json").read_text())) == 1000
