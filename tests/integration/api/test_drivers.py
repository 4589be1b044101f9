"""/v1/drivers, and the labels of templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.drivers import registry
from shared.drivers.discovery import Choice

TEMPLATE = {"name": "t", "image_id": "ubuntu-24.04", "flavor_id": "m1.small"}


async def test_every_driver_is_listed_with_what_it_supports(user: Any) -> None:
    listed = (await user.get("/v1/drivers")).json()["drivers"]
    found = {(each["kind"], each["name"]): each for each in listed}
    assert {("engine", "swarm"), ("operating system", "flatcar"), ("hardware", "bare-metal")} <= found.keys()
    assert {each["distribution"] for each in listed} == {"jeroboam"}
    combined = found["combination", "kubernetes-ubuntu-bare-metal"]
    assert (combined["coes"], combined["server_types"]) == (["kubernetes"], ["bm"])
    assert "resize" in combined["capabilities"] and combined["network_drivers"][0] == "flannel"
    assert found["hardware", "vm"]["server_types"] == ["vm"] and found["hardware", "vm"]["capabilities"] == []


@pytest.mark.parametrize("name", ["swarm", "swarm-flatcar"])
async def test_one_driver_has_all_its_labels(user: Any, name: str) -> None:
    labels = {each["name"]: each for each in (await user.get(f"/v1/drivers/{name}")).json()["labels"]}
    assert labels["swarm_subnet_size"] == {
        "name": "swarm_subnet_size",
        "type": "whole number, 16 to 29",
        "default": "24",
        "meaning": "prefix length of one overlay network",
        "nodegroup": False,
    }
    assert "availability_zone" in labels


async def test_an_operating_system_has_no_labels_and_an_unknown_driver_is_404(user: Any) -> None:
    assert (await user.get("/v1/drivers/ubuntu")).json()["labels"] == []
    missing = await user.get("/v1/drivers/nonsense")
    assert (missing.status_code, "nonsense" in missing.text) == (404, True)


async def test_a_disabled_driver_is_listed_with_the_reason_and_creates_nothing(user: Any) -> None:
    try:
        registry.configure(Choice(disabled=["swarm"]))
        shown = (await user.get("/v1/drivers/swarm")).json()
        assert (shown["state"], shown["coes"]) == ("disabled", [])
        assert shown["reason"] == "JEROBOAM_DISABLED_DRIVERS names it"
        assert (await user.get("/v1/drivers/swarm-ubuntu")).status_code == 404
        refused = await user.post("/v1/clustertemplates", json=TEMPLATE | {"coe": "swarm"})
        assert refused.status_code == 400
    finally:
        registry.configure(Choice())


@pytest.mark.parametrize(
    ("coe", "labels", "words"),
    [
        ("kubernetes", {"kube_tag": "latest"}, ["label kube_tag: must be a Kubernetes version"]),
        ("kubernetes", {"kube_tag": "x", "boot_volume_size": "-1"}, ["label kube_tag: ", "label boot_volume_size: "]),
        ("swarm", {"swarm_subnet_size": "99"}, ["label swarm_subnet_size: "]),
        ("swarm", {"availability_zone": "a:b"}, ["label availability_zone: must be names"]),
        ("kubernetes", {"kube_tag": "v1.37.0", "containerd_version": "1.7"}, ["label containerd_version: 1.7 is too"]),
        (
            "kubernetes",
            {"fixed_subnet_cidr": "10.100.0.0/16", "pods_network_cidr": "10.100.0.0/16"},
            ["pods_network_cidr (10.100.0.0/16) overlaps"],
        ),
    ],
)
async def test_bad_labels_of_a_template_are_refused_by_name(
    user: Any, coe: str, labels: dict[str, str], words: list[str]
) -> None:
    refused = await user.post("/v1/clustertemplates", json=TEMPLATE | {"coe": coe, "labels": labels})
    assert refused.status_code == 400, refused.text
    assert all(word in refused.json()["errors"][0]["detail"] for word in words), refused.text
    made = await user.post("/v1/clustertemplates", json=TEMPLATE | {"coe": coe})
    changes = [{"op": "replace", "path": "/labels", "value": json.dumps(labels)}]
    patched = await user.patch(f"/v1/clustertemplates/{made.json()['uuid']}", json=changes)
    assert (patched.status_code, words[0] in patched.text) == (400, True), patched.text


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"no_such_label": "x", "kube_tag": ""}},
        {"labels": {"pods_network_cidr": "10.0.0.0/16"}, "fixed_network": "public"},
        {"network_driver": "calico", "labels": {"calico_ipv4pool": "10.200.0.0/16"}},
        {"labels": {"availability_zone": "a,b"}},
    ],
)
async def test_what_a_cluster_can_complete_is_accepted(user: Any, fields: dict[str, Any]) -> None:
    made = await user.post("/v1/clustertemplates", json=TEMPLATE | {"coe": "kubernetes"} | fields)
    assert made.status_code == 201, made.text
