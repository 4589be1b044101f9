"""Agents are removed through the operator API: the command really runs, against masters that follow its states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jeroboam.driver import WORKER, Bootstrap, NodeSpec
from jeroboam.testing.cases import Case, make_case
from shared.drivers.mesos import credentials, engine
from shared.drivers.registry import get_driver
from tests.support import mesos_masters
from tests.support.mesos_machine import MesosMachine
from tests.support.mesos_masters import Agent, MesosMasters

driver = get_driver("mesos", "ubuntu", "vm")
CASE: Case = make_case(driver, "octavia", workers=3).all_joined()
USER = f"{credentials.OPERATOR}:{credentials.secret_of(credentials.OPERATOR, CASE.secrets)}"
WORKERS: list[NodeSpec] = [node for node in CASE.nodes if node.role == WORKER]


@pytest.fixture
def masters() -> Iterator[MesosMasters]:
    running = MesosMasters(USER)
    for number, node in enumerate(WORKERS):
        running.add(Agent(f"0a-S{number}", node.uuid))
    yield running
    running.close()


@pytest.fixture
def machine(tmp_path: Path, masters: MesosMasters) -> MesosMachine:
    made = MesosMachine(tmp_path, masters.ports)
    found = engine.bootstrap(CASE.context(CASE.nodes[0]))
    assert isinstance(found, Bootstrap)
    made.write(found)
    return made


def remove(machine: MesosMachine, *nodes: NodeSpec, seconds: int = 2) -> dict[str, str]:
    (removal,) = engine.drain(CASE.cluster, nodes, CASE.nodes, seconds=seconds).removals
    done = machine.command(removal.action.command, **removal.action.args)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("not_"))


def states(masters: MesosMasters) -> list[str]:
    return [agent.state for agent in masters.agents.values()]


@pytest.mark.parametrize("leader", [0, 1])
def test_agents_are_drained_and_gone_whoever_leads(machine: MesosMachine, masters: MesosMasters, leader: int) -> None:
    masters.leader = leader
    masters.agents["0a-S1"].task_seconds = 0.5
    assert remove(machine, WORKERS[0], WORKERS[1]) == {}
    assert states(masters) == [mesos_masters.GONE, mesos_masters.GONE, mesos_masters.ACTIVE]
    assert "MARK_AGENT_GONE" not in masters.calls
    changes = [call for call in masters.calls if not call.startswith("GET")]
    assert changes == ["DEACTIVATE_AGENT", "DEACTIVATE_AGENT", "DRAIN_AGENT", "DRAIN_AGENT"]


def test_tasks_that_do_not_end_are_named_and_the_agent_goes(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.agents["0a-S0"].task_seconds = 9999
    found = remove(machine, WORKERS[0], WORKERS[1], seconds=1)
    assert found == {f"not_drained.{WORKERS[0].name}": "tasks still ran after 1 seconds"}
    assert states(masters)[:2] == [mesos_masters.GONE, mesos_masters.GONE]


def test_an_old_mesos_cannot_drain(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.version = "1.8.1"
    found = remove(machine, WORKERS[0])
    assert "1.8.1 cannot drain" in found[f"not_drained.{WORKERS[0].name}"]
    assert states(masters)[0] == mesos_masters.GONE
    assert not {"DRAIN_AGENT", "DEACTIVATE_AGENT"} & set(masters.calls)


def test_an_unreachable_agent_is_marked_gone_by_its_noted_id(machine: MesosMachine, masters: MesosMasters) -> None:
    (noting, *_) = engine.settling(CASE.cluster, CASE.groups, CASE.nodes)
    assert machine.command(noting.command, **noting.args).returncode == 0
    masters.agents["0a-S0"].state = mesos_masters.UNREACHABLE
    assert machine.command(noting.command, **noting.args).returncode == 0
    assert remove(machine, WORKERS[0]) == {}
    assert states(masters)[0] == mesos_masters.GONE


def test_notes_keep_to_the_nodes_of_the_cluster_and_to_the_newest_id(
    machine: MesosMachine, masters: MesosMasters
) -> None:
    first, second, third = (node.uuid for node in WORKERS)
    assert machine.command("note-agents", nodes=f"{first} {second} {third}").returncode == 0
    masters.agents["0a-S0"].state = mesos_masters.GONE
    masters.add(Agent("0a-S9", first))
    masters.agents["0a-S1"].state = mesos_masters.UNREACHABLE
    assert machine.command("note-agents", nodes=f"{first} {second}").returncode == 0
    noted = (machine.root / "var/lib/jeroboam/agents").read_text().splitlines()
    assert sorted(noted) == sorted([f"{first} 0a-S9", f"{second} 0a-S1"])


def test_another_change_that_is_under_way_is_waited_for(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.version, masters.overlapping = "1.5.0", 3
    remove(machine, WORKERS[0])
    assert masters.overlapping == 0 and states(masters)[0] == mesos_masters.GONE
    assert masters.calls.count("MARK_AGENT_GONE") == 4


def test_an_agent_mesos_still_lists_is_named(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.version, masters.overlapping = "1.5.0", 10_000
    machine.environment["JEROBOAM_MESOS_RETRY_SECONDS"] = "1"
    assert remove(machine, WORKERS[0], seconds=1)[f"not_removed.{WORKERS[0].name}"].startswith("503 another operation")


def test_after_a_failover_agents_that_have_not_come_back_are_marked_gone(
    machine: MesosMachine, masters: MesosMasters
) -> None:
    masters.fail_over(1)
    masters.agents["0a-S1"].state = mesos_masters.ACTIVE
    assert remove(machine, WORKERS[0], WORKERS[1]) == {}
    assert states(masters) == [mesos_masters.GONE, mesos_masters.GONE, mesos_masters.RECOVERED]


@pytest.mark.parametrize("mark", [True, False])
def test_a_drain_that_has_begun_is_completed(machine: MesosMachine, masters: MesosMasters, mark: bool) -> None:
    agent = masters.agents["0a-S0"]
    agent.state, agent.mark_gone = mesos_masters.DRAINING, mark
    assert remove(machine, WORKERS[0]) == {}
    assert agent.state == mesos_masters.GONE and "DRAIN_AGENT" not in masters.calls


def test_without_a_leader_nothing_is_removed(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.leader = None
    machine.environment["JEROBOAM_MESOS_RETRY_SECONDS"] = "1"
    done = machine.command("remove-nodes", nodes=f"{WORKERS[0].uuid}/x", leaving=WORKERS[0].uuid, timeout=1)
    assert done.returncode == 1 and "no Mesos master leads: 503 No leader elected" in done.stderr


def test_a_wrong_credential_is_an_error(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.user = "jeroboam:other"
    done = machine.command("remove-nodes", nodes=f"{WORKERS[0].uuid}/x", leaving=WORKERS[0].uuid, timeout=1)
    assert done.returncode == 1 and "refused a call: 401" in done.stderr


def test_a_node_mesos_never_knew_has_nothing_to_remove(machine: MesosMachine, masters: MesosMasters) -> None:
    masters.agents.clear()
    assert remove(machine, WORKERS[0]) == {}
