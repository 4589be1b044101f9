"""CVMFS and EOS on Kubernetes: labels, and the objects that the first master applies."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from tests.support.kubernetes import driver, engine, problems

BOTH = {
    "cvmfs_csi_enabled": "true",
    "eos_enabled": "true",
    "eos_instances": "atlas=eosatlas.example.org:/eos/atlas/ home-i00=eoshome.example.org:/eos/user/",
    "container_infra_prefix": "registry.example.org/k8s",
}
Objects = dict[tuple[str, str], dict[str, Any]]


def case(**labels: str) -> Case:
    return make_case(driver, "octavia").with_labels(**{**BOTH, **labels})


def objects(case: Case, place: int = 0) -> Objects:
    found = engine.bootstrap(case.joined(*({0} - {place})).context(case.nodes[place]))
    assert isinstance(found, Bootstrap)
    texts = [each["content"] for each in found.files if each["path"].endswith(("cvmfs-csi.yaml", "eosxd-csi.yaml"))]
    every = [each for text in texts for each in yaml.safe_load_all(text)]
    named = {(each["kind"], each["metadata"]["name"]): each for each in every}
    assert len(named) == len(every), "an object is there twice"
    return named


def pods(found: Objects) -> dict[str, dict[str, Any]]:
    return {
        name: each["spec"]["template"]["spec"]
        for (kind, name), each in found.items()
        if kind in ("DaemonSet", "Deployment")
    }


def test_they_come_by_their_labels_on_the_first_master_only() -> None:
    assert problems(case()) == []
    assert objects(make_case(driver, "octavia")) == {}
    assert objects(case(), 1) == {}
    assert not [name for _, name in objects(case(eos_enabled="false")) if "eos" in name]
    assert not [name for _, name in objects(case(cvmfs_csi_enabled="false")) if "cvmfs" in name]


def test_each_has_a_storage_class_of_its_driver_and_no_default() -> None:
    found = objects(case())
    classes = {name: each for (kind, name), each in found.items() if kind == "StorageClass"}
    assert {name: each["provisioner"] for name, each in classes.items()} == {
        "cvmfs": "cvmfs.csi.cern.ch",
        "eos": "eosxd.csi.cern.ch",
    }
    assert not any("annotations" in each["metadata"] for each in classes.values())
    assert {name for kind, name in found if kind == "CSIDriver"} == {each["provisioner"] for each in classes.values()}


def test_workloads_mount_what_they_declare_and_select_their_own_pods() -> None:
    for keytab in ({}, {"eos_keytab_secret": "eos-keytab"}):
        found = objects(case(**keytab))
        accounts = {name for kind, name in found if kind == "ServiceAccount"}
        for (kind, _), each in found.items():
            if kind in ("DaemonSet", "Deployment"):
                labels = each["spec"]["template"]["metadata"]["labels"]
                assert each["spec"]["selector"]["matchLabels"] == labels
        for name, pod in pods(found).items():
            declared = [volume["name"] for volume in pod["volumes"]]
            used = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
            assert used == set(declared) and len(declared) == len(used), name
            for each in pod["containers"]:
                paths = [mount["mountPath"] for mount in each["volumeMounts"]]
                assert len(set(paths)) == len(paths), "Kubernetes refuses two mounts at one place"
            assert pod.get("serviceAccountName", next(iter(accounts))) in accounts
            names = [each["name"] for each in pod["containers"]]
            assert len(set(names)) == len(names)
        maps = {name for kind, name in found if kind == "ConfigMap"}
        named = [
            volume["configMap"]["name"]
            for pod in pods(found).values()
            for volume in pod["volumes"]
            if "configMap" in volume
        ]
        assert maps == set(named)


def test_a_cluster_of_an_earlier_version_gets_nothing_that_cannot_work() -> None:
    """Its labels were stored when they had no effect."""
    labels = {"eos_enabled": "true", "cvmfs_csi_enabled": "true"}
    assert objects(make_case(driver, "octavia").with_labels(**labels)) == {}
    assert (
        objects(make_case(driver, "octavia").with_labels(container_infra_prefix="example.org", eos_enabled="1")) == {}
    )


def test_the_registration_leads_the_kubelet_to_the_plugins_socket() -> None:
    for name, pod in pods(objects(case())).items():
        if not name.endswith("-node"):
            continue
        places = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in pod["volumes"]}
        registrar, plugin = pod["containers"][:2]
        assert f"--kubelet-registration-path={places['socket']}/csi.sock" in registrar["args"]
        assert "--endpoint=unix:///csi/csi.sock" in plugin["args"]
        assert {"name": "socket", "mountPath": "/csi"} in plugin["volumeMounts"]
        spread = [mount for each in pod["containers"] for mount in each["volumeMounts"] if mount["name"] == "autofs"]
        assert len(spread) >= 3 and all(mount["mountPropagation"] == "Bidirectional" for mount in spread)
        assert places["autofs"] in ("/var/cvmfs", "/var/eos")


def test_images_and_tags() -> None:
    sample = case(cvmfs_csi_tag="v2.5.0", eosxd_csi_image="registry.example.com/hep/eosxd-csi", eosxd_csi_tag="v1.4.0")
    found = pods(objects(sample))
    images = {each["image"] for pod in found.values() for each in pod["containers"]}
    assert images == {
        "registry.example.org/k8s/cvmfs-csi:v2.5.0",
        "registry.example.com/hep/eosxd-csi:v1.4.0",
        "registry.example.org/k8s/csi-provisioner:v5.1.0",
        "registry.example.org/k8s/csi-node-driver-registrar:v2.12.0",
    }


def test_the_client_of_cvmfs_is_configured_by_labels(tmp_path: Path) -> None:
    proxy = "http://squid1.example.org:3128|http://squid2.example.org:3128;DIRECT"
    data = objects(case(cvmfs_http_proxy=proxy, cvmfs_quota_limit="20000"))[("ConfigMap", "cvmfs-client")]["data"]
    path = tmp_path / "default.local"
    path.write_text(data["default.local"])
    command = '. "$0"; printf "%s\\n" "$CVMFS_HTTP_PROXY" "$CVMFS_QUOTA_LIMIT" "$CVMFS_CACHE_BASE"'
    said = subprocess.run(["sh", "-c", command, str(path)], capture_output=True, text=True, timeout=20, check=True)
    assert said.stdout.splitlines() == [proxy, "20000", "/cvmfs-localcache"]


def test_instances_of_eos_have_a_map_and_a_configuration_each() -> None:
    data = objects(case(eos_keytab_secret="eos-keytab"))[("ConfigMap", "eosxd-client")]["data"]
    assert data["auto.eos"].splitlines() == [
        "atlas -fstype=eosx,fsname=atlas :eosxd",
        "home-i00 -fstype=eosx,fsname=home-i00 :eosxd",
    ]
    assert json.loads(data["fuse.atlas.conf"]) == {
        "name": "atlas",
        "hostport": "eosatlas.example.org",
        "remotemountdir": "/eos/atlas/",
        "auth": {"ssskeytab": "/etc/eos-keytab/eos.keytab"},
    }
    without = objects(case())
    assert "auth" not in without[("ConfigMap", "eosxd-client")]["data"]["fuse.atlas.conf"]
    assert not [volume for volume in pods(without)["eosxd-csi-node"]["volumes"] if "secret" in volume]


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"cvmfs_csi_enabled": "true"}, "cvmfs_csi_image"),
        ({"eos_enabled": "true", "eos_instances": "a=b.org:/c"}, "eosxd_csi_image"),
        ({"eos_enabled": "true", "eosxd_csi_image": "example.org/eosxd-csi"}, "eos_instances"),
        ({"eos_enabled": "true"}, "eos_instances"),
        ({"eos_instances": "atlas"}, "eos_instances"),
        ({"eos_instances": "a=b.org:/c a=d.org:/e"}, "eos_instances"),
        ({"eos_instances": 'a=b.org:/c"}'}, "eos_instances"),
        ({"eos_instances": " ".join(f"a{number}=b:/c" for number in range(51))}, "eos_instances"),
        ({"eos_keytab_secret": "Not/A/Name"}, "eos_keytab_secret"),
        ({"cvmfs_http_proxy": "$(reboot)"}, "cvmfs_http_proxy"),
        ({"cvmfs_http_proxy": "a" * 1025}, "cvmfs_http_proxy"),
        ({"cvmfs_quota_limit": "999"}, "cvmfs_quota_limit"),
        ({"cvmfs_csi_image": "https://registry.example.org/x"}, "cvmfs_csi_image"),
        ({"eosxd_csi_tag": "a b"}, "eosxd_csi_tag"),
    ],
)
def test_labels_that_cannot_work_are_named(labels: dict[str, str], named: str) -> None:
    found = problems(make_case(driver).with_labels(**labels))
    assert len(found) == 1 and found[0].startswith(f"label {named}: "), found
