"""Which versions may follow which, and what is done to a node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jeroboam.testing.cases import make_case
from shared.drivers.kubernetes.labels import DEFAULT_VERSION
from tests.support.kubernetes import driver, engine


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("v1.34.2", "v1.34.2", None),
        ("v1.34.2", "v1.34.10", None),
        ("v1.34.9", "v1.35.0", None),
        ("v1.34.2", "v1.34.1", "older"),
        ("v1.34.2", "v1.33.9", "older"),
        ("v1.33.1", "v1.35.0", "upgrade to v1.34 first"),
        ("v1.34.2", "latest", "label kube_tag"),
    ],
)
def test_versions(old: str, new: str, why: str | None) -> None:
    cluster = make_case(driver).with_labels(kube_tag=old).cluster
    found = engine.upgrade_problems(cluster, {"kube_tag": new})
    assert found == [] if why is None else why in found[0]


def test_the_version_comes_from_the_template_and_the_rest_stays_the_clusters() -> None:
    cluster = make_case(driver).with_labels(kube_tag="v1.33.0", boot_volume_size="20").cluster
    labels = engine.upgraded_labels(cluster, {"kube_tag": "v1.34.0", "boot_volume_size": "99"})
    assert labels == {**cluster.labels, "kube_tag": "v1.34.0"}
    assert engine.upgraded_labels(cluster, {})["kube_tag"] == DEFAULT_VERSION


@pytest.mark.parametrize("template", [{}, {"kube_tag": DEFAULT_VERSION}, {"kube_tag": ""}])
def test_an_upgrade_to_the_same_version_adds_no_label(template: dict[str, str]) -> None:
    cluster = make_case(driver).cluster
    without = {name: value for name, value in cluster.labels.items() if name != "kube_tag"}
    assert engine.upgraded_labels(replace(cluster, labels=without), template) == without


def test_another_master_drains_and_none_but_a_joined_one() -> None:
    case = make_case(driver, "octavia").joined(0, 1, 2, 3, 4)
    masters = [node for node in case.nodes if node.role == "master"]
    worker = next(node for node in case.nodes if node.role == "worker")
    by = {action.command: action.node_id for action in engine.upgrade_actions(case.cluster, worker, case.nodes)}
    assert by == {
        "upgrade-prepare": worker.uuid,
        "drain": masters[0].uuid,
        "upgrade": worker.uuid,
        "uncordon": masters[0].uuid,
    }
    first = engine.upgrade_actions(case.cluster, masters[0], case.nodes)
    assert [action.node_id for action in first] == [masters[0].uuid, masters[1].uuid] * 2
    alone = [masters[0], *(replace(node, state="failed") for node in masters[1:]), worker]
    assert {action.node_id for action in engine.upgrade_actions(case.cluster, masters[0], alone)} == {masters[0].uuid}


def test_every_node_has_the_commands_it_may_be_given() -> None:
    case = make_case(driver, "octavia")
    has = {
        node.uuid: {file["path"].rpartition("/")[2] for file in found.files if "/commands.d/" in file["path"]}
        for node, found in case.bootstraps()
    }
    joined = case.joined(*range(len(case.nodes)))
    for node in joined.nodes:
        for action in engine.upgrade_actions(joined.cluster, node, joined.nodes):
            assert action.command in has[action.node_id]
