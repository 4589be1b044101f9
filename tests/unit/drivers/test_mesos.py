"""The Mesos engine: labels, attributes, who joins when, and which commands nodes get."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jeroboam.driver import MASTER, WORKER, Access, Bootstrap, Capability, NodeSpec, NotYet
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.mesos import engine
from shared.drivers.registry import find_driver, get_driver

driver = get_driver("mesos", "ubuntu", "vm")


def case(mode: str = "octavia") -> Case:
    return make_case(driver, mode)


def of_role(case: Case, role: str) -> list[NodeSpec]:
    return [node for node in case.nodes if node.role == role]


def test_it_runs_where_there_is_a_package_manager() -> None:
    assert find_driver("mesos", "ubuntu", "vm") == driver
    assert find_driver("mesos", "flatcar", "vm") is None


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"mesos_slave_isolation": "cgroups/gpu"}, "'cgroups/gpu' is not one of"),
        ({"mesos_slave_image_providers": "oci"}, "'oci' is not one of docker, appc"),
        ({"mesos_slave_image_providers": "docker"}, "docker needs docker/runtime"),
        ({"mesos_slave_work_dir": "var"}, "absolute path"),
        ({"mesos_slave_work_dir": "/var/../etc"}, "absolute path"),
        ({"mesos_slave_work_dir": "/var/a b"}, "absolute path"),
        ({"mesos_slave_executor_env_variables": "A=b"}, "JSON object"),
        ({"mesos_slave_executor_env_variables": "[1]"}, "JSON object"),
        ({"mesos_slave_executor_env_variables": '{"A": 1}'}, "is not a variable with a text"),
        ({"mesos_slave_executor_env_variables": '{"A B": "1"}'}, "is not a variable with a text"),
        ({"mesos_slave_executor_env_variables": "[" * 5000}, "JSON object"),
        ({"published_ports": "90-80"}, "published_ports"),
    ],
)
def test_labels_that_cannot_work(labels: dict[str, str], named: str) -> None:
    found = engine.problems(case().with_labels(**labels).cluster, case().groups)
    assert found and named in " ".join(found)
    assert all(text.startswith("label ") for text in found)


def test_labels_of_magnum_are_taken() -> None:
    labels = {
        "mesos_slave_isolation": "filesystem/linux, docker/runtime",
        "mesos_slave_image_providers": "docker,appc",
        "mesos_slave_work_dir": "/data/mesos/",
        "mesos_slave_executor_env_variables": '{"JAVA_HOME": "/usr/lib/jvm"}',
        "rexray_preempt": "false",
    }
    assert engine.problems(case().with_labels(**labels).cluster, case().groups) == []


def test_a_nodegroup_may_have_its_own_isolation_but_not_its_own_ports() -> None:
    own = replace(case().workers, labels={"mesos_slave_isolation": "cgroups/cpu"})
    assert engine.problems(case().cluster, [case().masters, own]) == []
    other = replace(case().workers, labels={"published_ports": "80"})
    assert "differs from the cluster's" in engine.problems(case().cluster, [case().masters, other])[0]
    needs = replace(case().workers, labels={"mesos_slave_image_providers": "docker"})
    assert "docker/runtime" in engine.problems(case().cluster, [case().masters, needs])[0]


@pytest.mark.parametrize("port", [5050, 2181, 2888, 3888])
def test_marathon_cannot_have_a_port_of_another_service(port: int) -> None:
    cluster = replace(case().cluster, apiserver_port=port)
    assert f"apiserver_port: {port} is used by" in engine.problems(cluster, case().groups)[0]


@pytest.mark.parametrize(("count", "taken"), [(1, True), (2, False), (3, True), (4, False), (5, True), (7, False)])
def test_numbers_of_masters(count: int, taken: bool) -> None:
    assert (engine.master_count_problem(count) is None) is taken


def test_operations_that_would_destroy_are_not_offered() -> None:
    assert engine.resizes_masters is False
    assert not {Capability.UPGRADE, Capability.ROTATE_CA, Capability.ROTATE_CREDENTIALS} & engine.capabilities


@pytest.mark.parametrize(
    ("labels", "taints", "field"),
    [
        ({"a": "b"}, [], None),
        ({"data science": "x"}, [], "node_labels"),
        ({"disk": "a;b:c"}, [], "node_labels"),
        ({"disk": ""}, [], "node_labels"),
        ({"cpus": "[1-2]"}, [], "node_labels"),
        ({"set": "{a,b}"}, [], "node_labels"),
        ({"jeroboam_node": "y"}, [], "node_labels"),
        ({"7": "y"}, [], "node_labels"),
        ({}, [{"key": "a", "effect": "NoSchedule"}], "node_taints"),
    ],
)
def test_attributes(labels: dict[str, str], taints: list[dict[str, str]], field: str | None) -> None:
    found = engine.node_label_problems(labels, taints)
    assert [problem.field for problem in found] == ([] if field is None else [field])


def test_masters_start_together_and_agents_wait_for_one() -> None:
    fresh = case()
    masters, workers = of_role(fresh, MASTER), of_role(fresh, WORKER)
    assert engine.founder(fresh.nodes) is None
    assert all(isinstance(engine.bootstrap(fresh.context(node)), Bootstrap) for node in masters)
    waiting = engine.bootstrap(fresh.context(workers[0]))
    assert isinstance(waiting, NotYet) and "master" in waiting.reason
    joined = fresh.joined(2)
    assert isinstance(engine.bootstrap(joined.context(workers[0])), Bootstrap)
    nodes = [replace(node, ip_address=None) if node == masters[1] else node for node in fresh.nodes]
    waiting = engine.bootstrap(fresh.with_nodes(nodes).context(masters[0]))
    assert isinstance(waiting, NotYet) and masters[1].name in waiting.reason


def test_relabelling_goes_to_the_joined_agents_of_the_group_in_turn() -> None:
    whole = case().all_joined()
    group = replace(whole.workers, node_labels={"disk": "hdd"})

    def relabelling(old: dict[str, str]) -> list[str]:
        found = engine.relabelling(whole.cluster, group, whole.nodes, old_labels=old, old_taints=[])
        return [f"{action.node_id} {action.args['attributes']}" for action in found]

    workers = of_role(whole, WORKER)
    assert [line.split()[0] for line in relabelling({"disk": "ssd"})] == [node.uuid for node in workers]
    assert relabelling({})[0].endswith(";disk:hdd")
    assert relabelling({"disk": "hdd"}) == []


def test_masters_cannot_leave_and_removals_are_batched() -> None:
    whole = make_case(driver, "octavia", workers=45).all_joined()
    masters, workers = of_role(whole, MASTER), of_role(whole, WORKER)
    found = engine.drain(whole.cluster, [masters[0], *workers], whole.nodes, seconds=9)
    assert found.impossible.keys() == {masters[0].uuid}
    assert [len(removal.nodes) for removal in found.removals] == [20, 20, 5]
    assert {removal.action.node_id for removal in found.removals} <= {masters[1].uuid, masters[2].uuid}


def test_a_machine_without_its_disk_is_forgotten_by_another_master() -> None:
    whole = case().all_joined()
    worker = of_role(whole, WORKER)[0]
    action = engine.forget(whole.cluster, worker, whole.nodes, seconds=9)
    assert action is not None and action.args["nodes"] == f"{worker.uuid}/{worker.name}"  # type: ignore[union-attr]


def test_a_configuration_names_endpoints_and_a_credential() -> None:
    whole = case().with_cluster(apiserver_port=8888)

    def config(access: Access) -> dict[str, str]:
        made = engine.client_config(
            whole.cluster,
            api_address=engine.api_url(whole.cluster, whole.outputs()),
            secrets=whole.secrets,
            user="somebody",
            access=access,
            now=NOW,
            lifetime=timedelta(hours=1),
        )
        return dict(made.environment) | dict(made.files)

    found = config(Access.ADMIN)
    assert (found["MESOS_MASTER"], found["MARATHON_URL"]) == ("203.0.113.7:5050", "http://203.0.113.7:8888")
    assert found["netrc"].split() == ["machine", "203.0.113.7", "login", "admin", "password", found["MESOS_SECRET"]]
    with pytest.raises(ValueError, match="no read-only access"):
        config(Access.VIEWER)


def test_labels_of_new_agents_can_be_changed() -> None:
    cluster = case().cluster
    assert engine.label_change_problems(cluster, {**cluster.labels, "mesos_slave_work_dir": "/data"}) == []
    assert "published_ports" in engine.label_change_problems(cluster, {"published_ports": "80"})[0]
