"""What an upgrade means for the labels of nodegroups."""

from __future__ import annotations

import pytest

from jeroboam.testing.cases import make_case
from shared.drivers.kubernetes.labels import DEFAULT_VERSION
from shared.operations.upgrades import cluster_target, followed_labels, kept_labels, nodegroup_target
from tests.support.kubernetes import driver, engine

OLD, NEW = "v1.33.1", "v1.34.2"
Labels = dict[str, str]


@pytest.mark.parametrize(
    ("cluster", "template", "nodegroup", "followed", "kept"),
    [
        ({"kube_tag": OLD}, {"kube_tag": NEW}, {}, {"kube_tag": NEW}, {"kube_tag": OLD}),
        ({"kube_tag": OLD}, {"kube_tag": NEW}, {"kube_tag": OLD}, {"kube_tag": NEW}, {"kube_tag": OLD}),
        ({"kube_tag": OLD}, {"kube_tag": NEW}, {"kube_tag": "v1.31.0"}, {"kube_tag": NEW}, {"kube_tag": "v1.31.0"}),
        ({"kube_tag": OLD}, {"kube_tag": NEW}, {"a": "x"}, {"a": "x", "kube_tag": NEW}, {"a": "x", "kube_tag": OLD}),
        # A cluster without the label has the default version, which may be written down nowhere.
        ({}, {"kube_tag": "v1.35.0"}, {}, {"kube_tag": "v1.35.0"}, {"kube_tag": DEFAULT_VERSION}),
        ({}, {}, {"kube_tag": OLD}, {"kube_tag": DEFAULT_VERSION}, {"kube_tag": OLD}),
        ({}, {}, {}, {}, {}),
        ({"kube_tag": OLD}, {"kube_tag": OLD}, {"kube_tag": "v1.31.0"}, {"kube_tag": OLD}, {"kube_tag": "v1.31.0"}),
    ],
)  # fmt: skip
def test_labels_of_nodegroups(
    cluster: Labels, template: Labels, nodegroup: Labels, followed: Labels, kept: Labels
) -> None:
    spec = make_case(driver).with_labels(**cluster).cluster
    target = cluster_target(engine, spec, template).labels
    assert followed_labels(engine, spec, target, nodegroup) == followed
    assert kept_labels(engine, spec, target, nodegroup) == kept


def test_a_nodegroup_follows_its_cluster() -> None:
    spec = make_case(driver).with_labels(kube_tag=OLD, own="x").cluster
    target = nodegroup_target(engine, spec)
    assert (target.version, target.labels) == (OLD, {"kube_tag": OLD, "own": "x"})
    assert followed_labels(engine, spec, target.labels, {"kube_tag": "v1.31.0"}) == {"kube_tag": OLD}
