"""The life of a real cluster by the node's scripts: made, joined, given other authorities, drained, left."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from cli.services import SERVICES
from jeroboam.driver import make_client_certificate
from tests.kubeadm.conftest import Cluster
from tests.kubeadm.images import REGISTRY
from tests.support.ca_phases import secrets_in
from tests.support.deploy_files import documents, whole_process

COMMANDS = "/etc/jeroboam/commands.d"
ADMIN = "https://10.0.0.4:6443/api/v1/nodes"


def nodes(pair: Cluster) -> dict[str, str]:
    """Node -> whether it is Ready."""
    found = json.loads(pair.kubectl("get", "nodes", "-o", "json"))["items"]
    return {
        node["metadata"]["name"]: condition["status"]
        for node in found
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }


def running_pods(pair: Cluster) -> dict[str, str]:
    """Pod of deployment `web` whose container runs -> when that was started."""
    found = json.loads(pair.kubectl("get", "pods", "--selector", "app=web", "-o", "json"))["items"]
    started = {
        pod["metadata"]["name"]: container["state"].get("running", {}).get("startedAt")
        for pod in found
        for container in pod["status"].get("containerStatuses", [])
        if "deletionTimestamp" not in pod["metadata"]
    }
    return {name: since for name, since in started.items() if since}


def run_command(pair: Cluster, name: str, given: str) -> subprocess.CompletedProcess[str]:
    return pair.master.do(f"{COMMANDS}/{name}", given=given)


def asked_by(pair: Cluster, client: str, trusting: str) -> str:
    """What an administrator of one phase's authority is answered who trusts another's: a status, 000 for no TLS."""
    made = make_client_certificate(
        secrets_in(pair.case, client)["kubernetes"],
        user="admin", groups=["system:masters"], now=datetime.now(UTC), lifetime=timedelta(hours=1),
    )  # fmt: skip
    files = {"client.crt": made.certificate or "", "client.key": made.secret}
    files["ca.crt"] = secrets_in(pair.case, trusting)["kubernetes"].certificate or ""
    for name, text in files.items():
        (pair.directory / name).write_text(text)
    return pair.master.do(
        "curl", "--silent", "--max-time", "10", "--cacert", str(pair.directory / "ca.crt"),
        "--cert", str(pair.directory / "client.crt"), "--key", str(pair.directory / "client.key"),
        "--output", "/dev/null", "--write-out", "%{http_code}", ADMIN,
    ).stdout  # fmt: skip


def issued_token(pair: Cluster) -> str:
    """A token of an administrator's account, as a pod gets one."""
    request = '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}'
    (pair.directory / "request.json").write_text(request)
    place = "/api/v1/namespaces/kube-system/serviceaccounts/admin/token"
    made = pair.kubectl("create", "--raw", place, "-f", str(pair.directory / "request.json"))
    token: str = json.loads(made)["status"]["token"]
    return token


def token_in_secret(pair: Cluster) -> str:
    """The token of the same account that does not expire."""
    for _ in range(30):  # the controller manager makes it
        name = pair.kubectl("-n", "kube-system", "get", "serviceaccount", "admin", "-o", "jsonpath={.secrets[0].name}")
        if name.strip():
            break
        time.sleep(1)
    data = pair.kubectl("-n", "kube-system", "get", "secret", name.strip(), "-o", "jsonpath={.data.token}")
    return base64.b64decode(data).decode()


def answered(pair: Cluster, token: str) -> str:
    """The status with which the API answers who has this token."""
    return pair.master.do(
        "curl", "--silent", "--insecure", "--max-time", "10", "--header", f"Authorization: Bearer {token}",
        "--output", "/dev/null", "--write-out", "%{http_code}", ADMIN,
    ).stdout  # fmt: skip


def test_a_master_makes_the_cluster_and_a_worker_joins(pair: Cluster) -> None:
    for machine in (pair.master, pair.worker):
        done = pair.bootstrap(machine, "before")
        assert done.returncode == 0, done.stdout + done.stderr
    assert nodes(pair) == {"m0": "True", "w0": "True"}
    tokens = ("-n", "kube-system", "get", "secrets", "--field-selector", "type=bootstrap.kubernetes.io/token")
    (made,) = json.loads(pair.kubectl(*tokens, "-o", "json"))["items"] or [None]
    assert made is None or "expiration" in made["data"], "kubeadm's own, for a minute"
    # There are no images for these.
    pair.kubectl("--namespace", "kube-system", "delete", "deployment/coredns", "daemonset/kube-proxy")
    pair.kubectl("--namespace", "kube-flannel", "delete", "daemonset", "--all")
    assert pair.bootstrap(pair.worker, "before").returncode == 0, "it may run again at any time"


def test_the_manifests_of_jeroboam_are_accepted(pair: Cluster) -> None:
    """By the API server's schemas, defaults and admission; what it would create, it does not create."""
    objects = [
        *documents("base/service-account.yaml"),
        *(each for service in SERVICES for each in whole_process(service)),
        *documents("base/network-policies.yaml"),
        *documents("base/disruption-budgets.yaml"),
        *documents("migrate/job.yaml"),
        *documents("overlays/production/ingress.yaml"),
        *documents("overlays/production/network-policies.yaml"),
    ]
    for each in objects:
        if each["apiVersion"] == "policy/v1":
            each["apiVersion"] = "policy/v1beta1"  # of this old version; the fields are the same
    namespace, file = pair.directory / "namespace.yaml", pair.directory / "manifests.yaml"
    namespace.write_text(yaml.safe_dump_all(documents("overlays/production/namespace.yaml")))
    file.write_text(yaml.safe_dump_all(objects))
    pair.kubectl("apply", "-f", str(namespace))
    accepted = pair.kubectl("--namespace", "jeroboam", "apply", "--dry-run=server", "--validate", "-f", str(file))
    assert len(accepted.splitlines()) == len(objects)
    assert all(line.endswith("created (server dry run)") for line in accepted.splitlines())


def test_authorities_follow_one_another_while_everything_works(pair: Cluster) -> None:
    pair.kubectl("create", "deployment", "web", f"--image={REGISTRY}/pause:3.2", "--replicas=2")
    pair.kubectl("create", "deployment", "broken", f"--image={REGISTRY}/nothing:1")
    pair.kubectl("rollout", "status", "deployment", "web", "--timeout=60s")
    pair.kubectl("-n", "kube-system", "create", "serviceaccount", "admin")
    pair.kubectl(
        "create", "clusterrolebinding", "admin", "--clusterrole=cluster-admin", "--serviceaccount=kube-system:admin"
    )
    old = [issued_token(pair), token_in_secret(pair)]
    for phase in ("trust", "keys", "sign", "forget"):
        for machine in (pair.master,) if phase == "keys" else (pair.master, pair.worker):
            before = running_pods(pair)
            done = pair.bootstrap(machine, phase, part="certificates")
            assert done.returncode == 0, f"{phase} {machine.name}: {done.stdout}{done.stderr}"
            assert nodes(pair) == {"m0": "True", "w0": "True"}
            assert running_pods(pair) == before, "pods stay"
            assert len(before) == 2
        issued, in_secret = (answered(pair, token) for token in old)
        assert issued == ("401" if phase == "forget" else "200")
        # The API accepts only the token that is in the Secret, so a copy ends when the Secret gets another one.
        assert in_secret == ("200" if phase in ("trust", "keys") else "401")
        if phase == "keys":
            done = run_command(pair, "restart-workloads", "timeout=30\n")
            assert done.returncode == 0, done.stderr
            assert [line.split("=")[0] for line in done.stdout.splitlines()] == [
                "not_restarted.deployments/default/broken"
            ], "printed, since there is no file for results"
            pair.kubectl("rollout", "status", "deployment", "web", "--timeout=60s")
            pair.kubectl("delete", "deployment", "broken")
            new = [issued_token(pair), token_in_secret(pair)]
            assert not set(new) & set(old)
    assert [answered(pair, token) for token in new] == ["200", "200"]
    assert asked_by(pair, "forget", "forget") == "200"
    assert asked_by(pair, "before", "forget") == "401", "who has a certificate of the old authority is nobody"
    assert asked_by(pair, "forget", "before") == "000", "the old authority vouches for nothing"
    assert "kind: Pod" in pair.master.text("/etc/kubernetes/manifests/etcd.yaml")
    again = pair.bootstrap(pair.master, "forget", part="certificates")
    assert "restart the control plane" not in again.stdout, "where nothing differs nothing happens"


def test_a_kubelet_still_gets_a_certificate_from_the_cluster_itself(pair: Cluster) -> None:
    """The controller manager signs with the authority that is left."""
    pair.worker.do("systemctl", "stop", "kubelet")
    pair.kubectl("delete", "node", "w0")
    for place in ("/etc/kubernetes/kubelet.conf", "/etc/kubernetes/pki/ca.crt", "/var/lib/jeroboam/member"):
        pair.worker.do("rm", "-f", place)
    pair.worker.do("sh", "-c", "rm -f /var/lib/kubelet/pki/*")
    done = pair.bootstrap(pair.worker, "forget")
    assert done.returncode == 0, done.stdout + done.stderr
    assert nodes(pair) == {"m0": "True", "w0": "True"}


def own_taints(node: dict[str, Any]) -> list[dict[str, str]]:
    """A node's taints but those of the node controller, which removes its own some time after the node is ready."""
    return [taint for taint in node["spec"].get("taints", []) if not taint["key"].startswith("node.kubernetes.io/")]


def test_labels_and_taints_come_and_go(pair: Cluster) -> None:
    given = "nodes=w0\nlabels=tier=gold\ntaints=gpu=yes:NoSchedule\nuntaint=slow:NoExecute-\n"
    assert run_command(pair, "label-nodes", given).returncode == 0
    node = json.loads(pair.kubectl("get", "node", "w0", "-o", "json"))
    assert node["metadata"]["labels"]["tier"] == "gold"
    assert own_taints(node) == [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    assert run_command(pair, "label-nodes", "nodes=w0\nlabels=tier-\nuntaint=gpu:NoSchedule-\n").returncode == 0
    node = json.loads(pair.kubectl("get", "node", "w0", "-o", "json"))
    assert "tier" not in node["metadata"]["labels"]
    assert own_taints(node) == []


def test_a_node_is_emptied_filled_again_and_taken_out(pair: Cluster) -> None:
    drained = run_command(pair, "drain", "node=w0\ntimeout=120\n")
    assert drained.returncode == 0, drained.stderr
    assert running_pods(pair) == {}, "nothing runs there"
    assert run_command(pair, "uncordon", "node=w0\n").returncode == 0
    pair.kubectl("rollout", "status", "deployment", "web", "--timeout=120s")
    for machine in (pair.master, pair.worker):
        healthy = machine.do("/etc/jeroboam/health")
        assert (healthy.returncode, healthy.stdout) == (0, ""), healthy.stderr
    removed = run_command(pair, "remove-nodes", "nodes=w0 never-joined\nleaving=w0 never-joined\ntimeout=120\n")
    assert (removed.returncode, removed.stdout) == (0, ""), removed.stderr
    assert nodes(pair) == {"m0": "True"}
