"""Whose turn it is, and what each node gets."""

from __future__ import annotations

import configparser
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jeroboam.driver import Bootstrap, NotYet
from jeroboam.testing.cases import CLOUD_SECRET, MODES, Case, make_case
from tests.support.kubernetes import driver, engine


def files(case: Case, place: int) -> dict[str, str]:
    found = engine.bootstrap(case.context(case.nodes[place]))
    assert isinstance(found, Bootstrap), found
    return {file["path"]: file["content"] for file in found.files}


def role(case: Case, place: int) -> str:
    """What kubeadm is told to do on a node, or why it must wait."""
    found = engine.bootstrap(case.context(case.nodes[place]))
    if isinstance(found, NotYet):
        return found.reason
    environment = next(file["content"] for file in found.files if file["path"].endswith("/node.env"))
    return environment.splitlines()[0].removeprefix("ROLE=")


def test_one_master_begins_and_the_others_follow_one_by_one() -> None:
    case = make_case(driver, "octavia")
    assert [role(case, place) for place in range(5)] == ["init"] + ["waiting for the first master k8s-master-0"] * 4
    case = case.joined(0)
    assert [role(case, place) for place in (1, 3, 4)] == ["join"] * 3, "workers do not wait for all masters"
    assert role(case, 2) == "masters join one at a time: waiting for k8s-master-1"
    assert role(case.joined(1), 2) == "join"


def test_a_failed_master_does_not_hold_up_the_next() -> None:
    case = make_case(driver, "octavia").joined(0)
    nodes = [
        replace(node, state="failed") if node.index == 1 and node.role == "master" else node for node in case.nodes
    ]
    assert role(case.with_nodes(nodes), 2) == "join"


def test_a_first_master_that_was_built_anew_joins_the_others() -> None:
    case = make_case(driver, "octavia").joined(1, 2)
    assert role(case, 0) == "join", "a second cluster under the same address would be the end of both"
    assert any(path.startswith("/etc/jeroboam/addons/") for path in files(case, 0))


def test_nothing_begins_before_the_address_is_known() -> None:
    case = make_case(driver)
    context = replace(case.context(case.nodes[0]), base_outputs={})
    assert isinstance(engine.bootstrap(context), NotYet)


def test_masters_that_share_an_address_must_know_each_other() -> None:
    case = make_case(driver, "vip")
    unknown = [replace(node, ip_address=None) if node.name == "k8s-master-2" else node for node in case.nodes]
    assert role(case.with_nodes(unknown), 0) == "waiting for the addresses of k8s-master-2"
    texts = [files(case.joined(0, 1), place)["/etc/jeroboam/keepalived.conf"] for place in range(3)]
    for place, text in enumerate(texts):
        assert f"unicast_src_ip 10.0.0.1{place}" in text
        assert f"priority {200 - place}" in text
        assert "10.0.0.4/32" in text
        peers = text.partition("unicast_peer {")[2].partition("}")[0].split()
        assert peers == [f"10.0.0.1{other}" for other in range(3) if other != place]
        assert text.count("{") == text.count("}")
    passwords = {text.partition("auth_pass ")[2].split()[0] for text in texts}
    assert len(passwords) == 1 and len(passwords.pop()) == 8
    assert "/etc/jeroboam/keepalived.conf" not in files(case.joined(0, 1, 2), 4)


def router_ids(case: Case) -> set[int]:
    texts = [files(case.joined(0, 1), place)["/etc/jeroboam/keepalived.conf"] for place in range(3)]
    return {int(text.partition("virtual_router_id ")[2].split()[0]) for text in texts}


def test_clusters_on_one_network_differ_in_their_router_id() -> None:
    found = []
    for number in range(40):
        # Time-ordered: UUIDs of clusters begin with the same digits for years.
        case = make_case(driver, "vip").with_cluster(uuid=f"0199a1b2-c3d4-7000-8000-{number:012d}")
        (one,) = router_ids(case)
        assert 1 <= one <= 255
        assert router_ids(case) == {one}
        found.append(one)
    assert len(set(found)) > 30


def test_a_master_added_to_an_old_cluster_has_the_router_id_of_its_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(driver, "vip").with_cluster(uuid="0199a1b2-c3d4-7000-8000-000000000007")
    outputs = case.outputs()
    stored = outputs.pop("virtual_router_id")
    monkeypatch.setattr(Case, "outputs", lambda _: outputs)
    assert router_ids(case) == {0x01 % 254 + 1}
    outputs["virtual_router_id"] = str(stored)
    assert router_ids(case) == {stored}, "Heat may give numbers as text"


@pytest.mark.parametrize("mode", ["octavia", "port"])
def test_no_address_is_shared_where_the_cloud_has_one(mode: str) -> None:
    assert "/etc/jeroboam/keepalived.conf" not in files(make_case(driver, mode), 0)


@pytest.mark.parametrize("mode", MODES)
def test_the_environment_survives_a_shell(mode: str, tmp_path: Path) -> None:
    case = make_case(driver, mode).with_cluster(
        http_proxy="http://user:p'a$s\"s%40@proxy.example.org:3128", no_proxy=".example.org"
    )
    path = tmp_path / "node.env"
    path.write_text(files(case, 0)["/etc/jeroboam/node.env"])
    command = '. "$0"; printf "%s\\n" "$http_proxy" "$NODE_NAME" "$no_proxy"'
    said = subprocess.run(["sh", "-c", command, str(path)], capture_output=True, text=True, timeout=20, check=True)
    proxy, name, direct = said.stdout.splitlines()
    assert (proxy, name) == ("http://user:p'a$s%22s%40@proxy.example.org:3128", "k8s-master-0")
    assert {".example.org", "10.0.0.4", "10.100.0.0/14", "10.254.0.0/16", ".svc", "127.0.0.1"} <= set(direct.split(","))


def test_proxies_reach_what_fetches_and_nothing_else() -> None:
    case = make_case(driver).with_cluster(https_proxy="http://p%40:x@proxy.example.org:3128")
    found = files(case, 0)
    unit = found["/etc/systemd/system/containerd.service.d/proxy.conf"]
    assert 'Environment="HTTPS_PROXY=http://p%%40:x@proxy.example.org:3128"' in unit
    assert "HTTP_PROXY=http" not in unit.replace("HTTPS_PROXY", "")
    apt = found["/etc/apt/apt.conf.d/95jeroboam-proxy"]
    assert apt == 'Acquire::https::Proxy "http://p%40:x@proxy.example.org:3128";\n'
    assert not [path for path in files(make_case(driver), 0) if "proxy" in path and "pki" not in path]


def test_texts_of_an_earlier_version_add_nothing_to_the_files() -> None:
    case = make_case(driver).with_cluster(
        http_proxy='http://p:1";\nAPT::Update::Pre-Invoke {"id";};\n#',
        no_proxy='a.org,b.org"\nExecStartPre=/bin/id,.c.org',
        insecure_registry="../../../etc/cron.d/x",
    )
    found = files(case, 0)
    apt = found["/etc/apt/apt.conf.d/95jeroboam-proxy"]
    assert apt == 'Acquire::http::Proxy "http://p:1%22;%0AAPT::Update::Pre-Invoke%20%7B%22id%22;%7D;%0A#";\n'
    unit = found["/etc/systemd/system/containerd.service.d/proxy.conf"]
    assert len(unit.splitlines()) == 3
    assert "NO_PROXY=a.org,.c.org,127.0.0.1" in unit
    assert not [path for path in found if "certs.d" in path]


def test_an_insecure_registry_is_spoken_to_in_the_clear() -> None:
    found = files(make_case(driver).with_cluster(insecure_registry="registry.example.org:5000"), 0)
    assert (
        'server = "http://registry.example.org:5000"'
        in (found["/etc/containerd/certs.d/registry.example.org:5000/hosts.toml"])
    )


def objects(case: Case) -> dict[tuple[str, str], dict[str, object]]:
    found = [
        document
        for path, text in files(case, 0).items()
        if path.startswith("/etc/jeroboam/addons/")
        for document in yaml.safe_load_all(text)
    ]
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found), "an object is there twice"
    return named


def test_add_ons_are_what_the_labels_ask_for() -> None:
    case = make_case(driver, "octavia")
    kinds = objects(case).keys()
    assert ("DaemonSet", "kube-flannel-ds") in kinds
    assert ("DaemonSet", "openstack-cloud-controller-manager") in kinds
    assert ("StorageClass", "cinder") in kinds
    fewer = objects(
        case.with_cluster(network_driver="calico").with_labels(
            cni_manifest_url="https://mirror.example.org/calico.yaml", cinder_csi_enabled="false"
        )
    ).keys()
    assert not [name for kind, name in fewer if kind in ("DaemonSet", "StorageClass") and "cloud" not in name]
    binding = objects(case)[("ClusterRoleBinding", "jeroboam:viewers")]
    assert binding["roleRef"]["name"] == "view"  # type: ignore[index]
    assert binding["subjects"][0]["name"] == "jeroboam:viewers"  # type: ignore[index]


def test_workloads_select_their_own_pods_and_mount_what_they_declare() -> None:
    for (kind, name), each in objects(make_case(driver, "octavia")).items():
        if kind not in ("DaemonSet", "Deployment"):
            continue
        spec = each["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]  # type: ignore[index]
        pod = spec["template"]["spec"]  # type: ignore[index]
        volumes = {volume["name"] for volume in pod["volumes"]}
        containers = [*pod.get("initContainers", []), *pod["containers"]]
        used = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])}
        assert used == volumes, name
        accounts = {key[1] for key in objects(make_case(driver, "octavia")) if key[0] == "ServiceAccount"}
        assert pod["serviceAccountName"] in accounts


@pytest.mark.parametrize("prefix", ["", "registry.example.org/k8s"])
def test_images_come_from_the_registry_that_was_named(prefix: str) -> None:
    found = objects(make_case(driver, "octavia").with_labels(container_infra_prefix=prefix))
    images = {
        container["image"]
        for each in found.values()
        for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])  # type: ignore[attr-defined]
    }
    assert len(images) >= 7
    for image in images:
        start = f"{prefix}/" if prefix else ("@REGISTRY@/", "flannel/")
        assert image.startswith(start), image
        assert image.count(":") == 1


def test_the_credential_is_in_one_secret_on_the_first_master() -> None:
    case = make_case(driver, "octavia")
    holders = {path for path, text in files(case, 0).items() if CLOUD_SECRET in text}
    assert holders == {"/etc/jeroboam/addons/30-cloud-config.yaml"}
    for place in (1, 2, 3, 4):
        assert CLOUD_SECRET not in str(files(case.joined(0, 1), place))
    secret = objects(case)[("Secret", "cloud-config")]
    conf = configparser.ConfigParser()
    conf.read_string(secret["stringData"]["cloud.conf"])  # type: ignore[index]
    assert conf["Global"]["application-credential-secret"] == f'"{CLOUD_SECRET}"'
    assert conf["Global"]["region"] == '"RegionOne"'
    assert conf["LoadBalancer"]["enabled"] == '"true"'
    assert conf["LoadBalancer"]["floating-network-id"] == '"id-of-public"'
