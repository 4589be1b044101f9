"""Which labels of a living cluster may change, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jeroboam.driver import ClusterSpec
from shared.drivers.kubernetes.label_changes import problems

OLD = {"kube_tag": "v1.34.1", "boot_volume_size": "20", "mine": "1"}
CLUSTER = ClusterSpec("u", "c", "p", "kubernetes", "ubuntu", "vm", OLD, external_network_id=None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"boot_volume_size": "40", "boot_volume_type": "ssd"},
        {"availability_zone": "az1"},
        {"kubernetes_apt_mirror": "https://mirror.example.org/k8s"},
        {"mine": "2", "yours": "3"},
    ],
)
def test_what_only_later_machines_read(changes: dict[str, str]) -> None:
    assert problems(CLUSTER, OLD | changes) == []


def test_a_label_of_later_machines_may_go() -> None:
    assert problems(CLUSTER, {"kube_tag": "v1.34.1"}) == []


def test_what_is_built_in_is_named() -> None:
    said = problems(CLUSTER, OLD | {"kube_tag": "v1.34.2", "calico_ipv4pool": "10.1.0.0/16", "mine": "2"})
    assert said == [
        "label calico_ipv4pool: it cannot be changed after the cluster was created.",
        "label kube_tag: the version can be changed only by an upgrade (actions/upgrade).",
    ]
    without = problems(replace(CLUSTER, labels=OLD | {"pods_network_cidr": "10.1.0.0/16"}), OLD)
    assert without == ["label pods_network_cidr: it cannot be changed after the cluster was created."]


def test_a_new_value_must_be_right() -> None:
    assert problems(CLUSTER, OLD | {"boot_volume_size": "big"})[0].startswith("label boot_volume_size: ")
