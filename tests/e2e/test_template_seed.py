"""`jeroboam template seed`, and a session with its templates: list, create, see it complete, get the configuration."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.testing.process import BIN, SandboxProcess

pytestmark = [pytest.mark.timeout(300)]

ADMIN = f"{BIN}/jeroboam --os-cloud jeroboam-admin"
NAMES = {"swarm", "swarm-ha", "kubernetes", "kubernetes-ha", "mesos", "mesos-ha"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    running = SandboxProcess()
    yield running
    assert running.interrupt() == 0


def call(sandbox: SandboxProcess, line: str, *, status: int = 0) -> str:
    done = sandbox.run(line)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def seed(sandbox: SandboxProcess, options: str = "") -> dict[str, str]:
    said = call(sandbox, f"{ADMIN} template seed --image ubuntu-24.04 {options}")
    return dict(line.split(": ", 1) for line in said.splitlines())


def templates(sandbox: SandboxProcess) -> dict[str, dict[str, Any]]:
    rows = json.loads(call(sandbox, f"{BIN}/jeroboam --format json template list"))
    assert len({row["name"] for row in rows}) == len(rows), "none is made twice"
    return {row["name"]: row for row in rows}


def test_what_cannot_be_chosen_is_asked_for(sandbox: SandboxProcess) -> None:
    assert "not one of the images with os_distro ubuntu" in call(
        sandbox, f"{ADMIN} template seed --image nothing", status=1
    )
    wrong = "--image ubuntu-24.04 --image-of kubernetess=x"
    assert "no template of this engine" in call(sandbox, f"{ADMIN} template seed {wrong}", status=1)


def test_templates_are_seeded_used_and_kept(sandbox: SandboxProcess) -> None:
    first = seed(sandbox)
    assert {name for name, did in first.items() if did.startswith("created")} == NAMES
    assert first["dcos"].startswith("skipped, because no installed engine provides it")
    before = templates(sandbox)
    assert before.keys() == NAMES and all(row["public"] for row in before.values())
    assert before["swarm-ha"]["master_lb_enabled"] and not before["swarm"]["master_lb_enabled"]
    assert {seed(sandbox)[name] for name in NAMES} == {"unchanged"}

    listed = call(sandbox, f"{BIN}/openstack coe cluster template list -f value -c name")
    assert set(listed.split()) == NAMES
    call(sandbox, f"{BIN}/openstack coe cluster create myswarmcluster --cluster-template swarm --node-count 20")
    call(sandbox, f"{BIN}/jeroboam cluster create mymesoscluster --cluster-template mesos-ha --node-count 3 --wait")
    end = time.monotonic() + 120
    while "IN_PROGRESS" in call(sandbox, f"{BIN}/jeroboam --format json cluster list"):
        assert time.monotonic() < end
        time.sleep(1)
    shown = call(sandbox, f"{BIN}/openstack coe cluster list -f value -c name -c status -c node_count").splitlines()
    assert {line.split()[0]: line.split()[1:] for line in shown} == {
        "myswarmcluster": ["20", "CREATE_COMPLETE"],
        "mymesoscluster": ["3", "CREATE_COMPLETE"],
    }
    exported = call(
        sandbox,
        f'eval $({BIN}/openstack coe cluster config myswarmcluster --dir "$(mktemp -d)" --output-certs); '
        'echo "$DOCKER_HOST $(ls "$DOCKER_CERT_PATH" | tr "\\n" " ")"',
    )
    assert exported.startswith("tcp://") and {"ca.pem", "cert.pem", "key.pem"} <= set(exported.split())
    assert call(sandbox, f"{BIN}/openstack coe cluster config mymesoscluster").strip() == "None"
    variables = call(sandbox, f"{BIN}/jeroboam cluster config mymesoscluster --env")
    assert "export MARATHON_URL=http://" in variables and "export MESOS_SECRET=" in variables

    changed = seed(sandbox, "--flavor m1.large")
    for used in ("swarm", "mesos-ha"):
        assert changed[used].startswith("left as it is (flavor_id, master_flavor_id would change)"), changed
    assert changed["kubernetes"] == "updated flavor_id, master_flavor_id"
    after = templates(sandbox)
    assert after.keys() == NAMES and after["swarm"]["flavor_id"] == before["swarm"]["flavor_id"]
    assert after["kubernetes"]["flavor_id"] == "m1.large"
