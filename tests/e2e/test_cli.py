"""The `jeroboam` command as a user of a cloud has it: create and wait, look, follow, delete, and clear refusals."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.demo_receiver import DemoReceiver
from sandbox.testing.process import BIN, SandboxProcess

pytestmark = [pytest.mark.timeout(300)]

TEMPLATE = (
    "coe cluster template create k8s --coe kubernetes --image ubuntu-24.04 --external-network public "
    "--flavor m1.small --master-flavor m1.small --floating-ip-disabled"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    running = SandboxProcess()
    made = running.run(f"{BIN}/openstack {TEMPLATE}")
    assert made.returncode == 0, made.stderr
    yield running
    assert running.interrupt() == 0
    assert "All state was deleted." in running.output


def jeroboam(sandbox: SandboxProcess, arguments: str, *, status: int = 0) -> str:
    done = sandbox.run(f"{BIN}/jeroboam {arguments}")
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def as_json(sandbox: SandboxProcess, arguments: str) -> Any:
    return json.loads(jeroboam(sandbox, f"--format json {arguments}"))


def test_create_and_wait_look_and_delete(sandbox: SandboxProcess, tmp_path: Path) -> None:
    plan = as_json(sandbox, "cluster create one --cluster-template k8s --node-count 2 --dry-run")
    assert plan["accepted"]
    assert plan["nodes"] == {"default-master": 1, "default-worker": 2}
    assert as_json(sandbox, "cluster list") == []

    follower = subprocess.Popen(
        [str(BIN / "jeroboam"), "--format", "json", "events", "--follow"],
        env=sandbox.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    said = jeroboam(sandbox, "cluster create one --cluster-template k8s --node-count 2 --label kube_tag=v1.34.1 --wait")
    assert "create succeeded" in said
    assert follower.stdout is not None
    types: list[str] = []
    end = time.monotonic() + 30
    while "io.jeroboam.cluster.create.completed.v1" not in types:
        assert time.monotonic() < end, types
        types.append(json.loads(follower.stdout.readline())["type"])
    follower.terminate()
    follower.wait(10)
    follower.stdout.close()
    assert types[0] == "io.jeroboam.cluster.create.requested.v1"

    (listed,) = as_json(sandbox, "cluster list")
    assert (listed["name"], listed["status"], listed["node_count"]) == ("one", "CREATE_COMPLETE", 2)
    assert as_json(sandbox, "cluster show one")["coe_version"] == "v1.34.1"
    assert {node["state"] for node in as_json(sandbox, "cluster nodes one")} == {"joined"}
    (operation,) = as_json(sandbox, "operation list")
    shown = as_json(sandbox, f"operation show {operation['uuid']}")
    assert shown["steps"][0]["name"] == "submit_base_stack"
    assert all(step["finished_at"] for step in shown["steps"])
    assert "one" in jeroboam(sandbox, "cluster list")

    jeroboam(sandbox, f"cluster config one --dir {tmp_path}")
    refused = jeroboam(sandbox, f"cluster config one --dir {tmp_path}", status=1)
    assert "--force" in refused
    jeroboam(sandbox, f"cluster config one --dir {tmp_path} --force")

    workers = [node["name"] for node in as_json(sandbox, "cluster nodes one") if node["role"] == "worker"]
    assert "resize succeeded" in jeroboam(sandbox, f"cluster resize one 3 --remove {workers[0]} --wait")
    resized = [node["name"] for node in as_json(sandbox, "cluster nodes one") if node["role"] == "worker"]
    assert len(resized) == 3
    assert set(workers) - set(resized) == {workers[0]}

    assert "delete succeeded" in jeroboam(sandbox, "cluster delete one --wait")
    assert as_json(sandbox, "cluster list") == []


def test_webhooks(sandbox: SandboxProcess) -> None:
    receiver = DemoReceiver()
    with receiver.running():
        made = as_json(sandbox, f"webhook create {receiver.url} --name hook --event cluster.* --outcome completed")
        receiver.secret = made["secret"]
        assert (made["event_types"], made["outcomes"], made["status"]) == (["cluster.*"], ["completed"], "active")
        assert "hook" in jeroboam(sandbox, "webhook list")
        assert "was queued" in jeroboam(sandbox, "webhook test hook")
        deliveries = wait_until_delivered(sandbox, 1)
        shown = as_json(sandbox, f"webhook delivery hook {deliveries[0]['uuid']}")
        assert (shown["state"], shown["log"][0]["status"]) == ("delivered", 204)
        assert "204" in jeroboam(sandbox, f"webhook delivery hook {deliveries[0]['uuid']}")
        rotated = as_json(sandbox, "webhook rotate-secret hook")
        receiver.secret = rotated["secret"]
        assert as_json(sandbox, "webhook pause hook")["status"] == "paused"
        assert "is paused" in jeroboam(sandbox, "webhook test hook", status=1)
        assert as_json(sandbox, "webhook resume hook")["status"] == "active"
        changed = as_json(sandbox, "webhook update hook --description d --body plain --ordered")
        assert (changed["description"], changed["format"], changed["ordered"]) == ("d", "plain", True)
        assert as_json(sandbox, "webhook update hook --body structured")["format"] == "structured"
        assert "queued again" in jeroboam(sandbox, f"webhook redeliver hook {deliveries[0]['uuid']}")
        assert wait_until_delivered(sandbox, 1)[0]["attempts"] == 2
        assert "0 deliveries were queued" in jeroboam(sandbox, "webhook redeliver hook --since 1h")
        assert "either the UUID" in jeroboam(sandbox, "webhook redeliver hook", status=1)
        assert receiver.refused == []
        assert "was deleted" in jeroboam(sandbox, "webhook delete hook")
    refused = jeroboam(sandbox, "webhook create http://10.0.0.1/", status=1)
    assert "10.0.0.1 is a private network" in refused


def test_prometheus(sandbox: SandboxProcess, tmp_path: Path) -> None:
    made = as_json(sandbox, "prometheus token create main --days 30")
    assert made["token"].startswith("jprom_") and made["expires_at"]
    assert "main" in jeroboam(sandbox, "prometheus token list")
    printed = yaml.safe_load(jeroboam(sandbox, "prometheus config --token-file /run/token --port 9100 --port 8080"))
    (discovery,) = printed["scrape_configs"][0]["http_sd_configs"]
    assert discovery["authorization"] == {"type": "Bearer", "credentials_file": "/run/token"}
    answer = httpx.get(discovery["url"], headers={"Authorization": f"Bearer {made['token']}"}, trust_env=False)
    assert answer.status_code == 200 and isinstance(answer.json(), list)
    assert "was deleted" in jeroboam(sandbox, "prometheus token delete main")
    answer = httpx.get(discovery["url"], headers={"Authorization": f"Bearer {made['token']}"}, trust_env=False)
    assert answer.status_code == 401


def wait_until_delivered(sandbox: SandboxProcess, number: int) -> list[dict[str, Any]]:
    end = time.monotonic() + 30
    while True:
        found: list[dict[str, Any]] = as_json(sandbox, "webhook deliveries hook --state delivered")
        if len(found) == number:
            return found
        assert time.monotonic() < end, found


def test_a_whole_life(sandbox: SandboxProcess) -> None:
    made = as_json(
        sandbox,
        "template create t1 --coe kubernetes --image ubuntu-24.04 --external-network public --flavor m1.small "
        "--master-flavor m1.small --no-floating-ip --label kube_tag=v1.34.1",
    )
    assert made["labels"] == {"kube_tag": "v1.34.1"}
    assert as_json(sandbox, "template update t1 --label kube_tag=v1.34.2 --label a=b")["labels"] == {
        "kube_tag": "v1.34.2",
        "a": "b",
    }
    jeroboam(sandbox, "template create t2 --coe kubernetes --image ubuntu-24.04 --label kube_tag=v1.35.0")
    jeroboam(sandbox, "cluster create life --cluster-template t1 --wait")

    group = (
        "nodegroup create life fast --node-count 2 --max-nodes 4 --node-label disk=ssd --node-taint gpu=yes:NoSchedule"
    )
    assert "nodegroup_create succeeded" in jeroboam(sandbox, f"{group} --wait")
    shown = as_json(sandbox, "nodegroup show life fast")
    assert shown["node_taints"] == [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    assert {each["name"] for each in as_json(sandbox, "nodegroup list life")} >= {"fast", "default-worker"}
    assert "nodegroup_update succeeded" in jeroboam(sandbox, "nodegroup update life fast --max-nodes 6 --wait")
    assert "upgrade succeeded" in jeroboam(sandbox, "cluster upgrade life t2 --wait")
    assert as_json(sandbox, "cluster show life")["coe_version"] == "v1.35.0"
    assert "succeeded" in jeroboam(sandbox, "cluster rotate-ca life --wait")
    assert "succeeded" in jeroboam(sandbox, "cluster rotate-credentials life --wait")
    jeroboam(sandbox, "cluster update life --name lives")
    assert "nodegroup_delete succeeded" in jeroboam(sandbox, "nodegroup delete lives fast --wait")

    listed = jeroboam(sandbox, "operation list")
    (created,) = [
        each
        for each in as_json(sandbox, "operation list")
        if each["kind"] == "create" and each["cluster_name"] == "life"
    ]
    assert any(created["uuid"] in line and "succeeded" in line for line in listed.splitlines())
    jeroboam(sandbox, "cluster delete lives --wait")
    for template in ("t1", "t2"):
        jeroboam(sandbox, f"template delete {template}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("cluster show nothing", "Cluster nothing could not be found. (HTTP 404)"),
        ("cluster create x --cluster-template nothing", "nothing could not be found"),
        ("cluster create x --cluster-template k8s --label broken", "key=value"),
        ("cluster create x --cluster-template k8s --label kube_tag=1", "kube_tag"),
        ("cluster create x --cluster-template k8s --node-count 100000", "at most 2000 nodes"),
        ("nodegroup create nothing n", "Cluster nothing could not be found"),
        ("nodegroup create nothing n --node-taint broken", "key=value:effect"),
        ("cluster update nothing", "nothing to change"),
        ("operation retry 00000000-0000-0000-0000-000000000000", "could not be found"),
        ("--endpoint http://127.0.0.1:9 cluster list", "cannot reach http://127.0.0.1:9"),
        ("events --after rubbish", "after"),
    ],
)
def test_a_refusal_is_one_line_that_names_what_is_wrong(sandbox: SandboxProcess, arguments: str, words: str) -> None:
    said = jeroboam(sandbox, arguments, status=1)
    assert words in said
    assert said.startswith("jeroboam: ")
    assert len(said.strip().splitlines()) == 1
