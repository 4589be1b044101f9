"""The health of a Kubernetes cluster, in Magnum's form, and of an engine that has only its nodes' own checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from jeroboam.driver import ClusterHealth, EngineDefaults, HealthStatus, NodeHealth, NodeSpec
from shared.drivers.kubernetes import health
from tests.support.script_box import ScriptBox

OK = {"api": "ok"}


def master(number: int = 0, *, fresh: bool = True, states: Mapping[str, str] = OK, **known: object) -> NodeHealth:
    spec = NodeSpec(f"m{number}", f"m-{number}", "master", number, 0, "gm", "joined")
    return NodeHealth(spec, fresh, **{"healthy": True, "states": states, **known})  # type: ignore[arg-type]


def worker(number: int = 0, *, fresh: bool = True, **known: object) -> NodeHealth:
    spec = NodeSpec(f"w{number}", f"w-{number}", "worker", number, 0, "gw", "joined")
    return NodeHealth(spec, fresh, **{"healthy": True, **known})  # type: ignore[arg-type]


def test_all_is_well() -> None:
    assert health.measure([master(), worker()]) == ClusterHealth(
        HealthStatus.HEALTHY, {"api": "ok", "m-0.Ready": "True", "w-0.Ready": "True"}
    )


@pytest.mark.parametrize(
    ("ill", "word"),
    [
        (worker(healthy=False), "False"),
        (worker(problem="server s is in status SHUTOFF"), "False"),
        (worker(fresh=False, problem="server s does not exist any more"), "False"),
    ],
)
def test_one_node_that_does_not_work_makes_it_unhealthy(ill: NodeHealth, word: str) -> None:
    found = health.measure([master(), ill])
    assert (found.status, found.reasons["w-0.Ready"]) == (HealthStatus.UNHEALTHY, word)


def test_the_api_knows_of_silent_nodes_and_of_nodes_that_think_they_are_well() -> None:
    view = {**OK, "w-0.Ready": "Unknown", "w-1.Ready": "False"}
    found = health.measure([master(states=view), worker(0, fresh=False), worker(1), worker(2, fresh=False)])
    assert found.status is HealthStatus.UNHEALTHY
    assert found.reasons == {
        "api": "ok", "m-0.Ready": "True", "w-0.Ready": "Unknown", "w-1.Ready": "False", "w-2.Ready": "True",
    }  # fmt: skip


def test_what_is_stale_is_unknown() -> None:
    found = health.measure([master(fresh=False), worker(fresh=False)])
    assert found.status is HealthStatus.UNKNOWN
    assert found.reasons == {"api": "unknown", "m-0.Ready": "Unknown", "w-0.Ready": "Unknown"}
    assert health.measure([master(fresh=False), worker()]).status is HealthStatus.UNKNOWN


def test_an_api_that_does_not_answer_is_unhealthy() -> None:
    found = health.measure([master(states={"api": "not ready"}), worker()])
    assert (found.status, found.reasons["api"]) == (HealthStatus.UNHEALTHY, "not ready")
    assert found.reasons["w-0.Ready"] == "True"


def test_one_working_api_of_several_is_enough() -> None:
    found = health.measure([master(0, fresh=False), master(1), worker()])
    assert (found.reasons["api"], found.status) == ("ok", HealthStatus.HEALTHY)
    down = health.measure([master(0, healthy=False, states={"api": "not ready"}), master(1)])
    assert (down.reasons["api"], down.reasons["m-0.Ready"]) == ("ok", "False")


def test_masters_of_an_earlier_version_report_only_whether_they_are_healthy() -> None:
    assert health.measure([master(states={}), worker()]).status is HealthStatus.HEALTHY
    assert health.measure([master(states={}, healthy=False)]).reasons["api"] == "not ready"


def test_an_engine_without_an_api_of_its_own_has_its_nodes_checks() -> None:
    found = EngineDefaults().health(None, [worker(), worker(1, problem="lost"), worker(2, fresh=False)])  # type: ignore[arg-type]
    assert found == ClusterHealth(HealthStatus.UNHEALTHY, {"w-0": "ok", "w-1": "lost", "w-2": "unknown"})
    assert EngineDefaults().health(None, [worker(fresh=False)]).status is HealthStatus.UNKNOWN  # type: ignore[arg-type]


def test_a_master_prints_who_is_not_ready(tmp_path: Path) -> None:
    box = ScriptBox(tmp_path)
    box.program("kubectl", "printf 'm-0.Ready=True\\nw-0.Ready=Unknown\\nw-1.Ready=\\nw-2.Ready=False\\n'")
    done = box.run("states.sh")
    assert done.stdout.splitlines() == ["api=ok", "w-0.Ready=Unknown", "w-1.Ready=Unknown", "w-2.Ready=False"]


def test_a_master_prints_that_its_api_does_not_answer(tmp_path: Path) -> None:
    box = ScriptBox(tmp_path)
    box.program("kubectl", "echo refused >&2; exit 1")
    assert box.run("states.sh").stdout == "api=not ready\n"
