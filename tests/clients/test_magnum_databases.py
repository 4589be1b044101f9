"""Databases that real Magnums made: 22.0 (the last with trusts) and 23.0 (without), by their own code.

Rule: what the import says and what the API then shows is compared with what that Magnum was told to write; the
certificate is opened, because its form is the real one's.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing.process import BIN, SandboxProcess

ROWS = Path(__file__).parents[1] / "support" / "magnum_rows.py"
CONFIGURATION = """\
[database]
connection = sqlite:///{database}
[certificates]
cert_manager_type = x509keypair
"""
STACK = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("release", ["22", "23"])
def test_a_database_of_that_release(tool: Any, sandbox: SandboxProcess, tmp_path: Path, release: str) -> None:
    def openstack(command: str) -> Any:
        done = sandbox.run(f"{BIN}/openstack {command}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    token = openstack("token issue -f json")
    database = tmp_path / "magnum.sqlite"
    (tmp_path / "magnum.conf").write_text(CONFIGURATION.format(database=database))
    written = subprocess.run(
        [
            *(str(tool(f"magnum-{release}", "python")), str(ROWS), str(tmp_path / "magnum.conf")),
            *(token["project_id"], token["user_id"], STACK, "--create-tables"),
        ],
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert written.returncode == 0, written.stderr
    uuid = written.stdout.split()[-1]

    def imported(*arguments: str) -> dict[str, dict[str, Any]]:
        done = subprocess.run(
            [str(BIN / "jeroboam"), "import-magnum", "--database", f"sqlite:///{database}", "-f", "json", *arguments],
            env=sandbox.service_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {thing["kind"]: thing for thing in json.loads(done.stdout)["things"]}

    assert imported("--dry-run")["cluster"]["outcome"] == "created"
    told = imported()
    assert ("trustee-of-the-cluster" in str(told["cluster"]["notes"])) == (release == "22")
    shown = openstack(f"coe cluster show {uuid} -f json")
    assert {name: shown[name] for name in ("name", "status", "master_count", "node_count", "coe_version")} == {
        "name": "from-magnum",
        "status": "CREATE_COMPLETE",
        "master_count": 1,
        "node_count": 2,
        "coe_version": "v1.23.3-rancher1",
    }
    assert shown["node_addresses"] == ["10.0.0.12", "10.0.0.12"]
    template = openstack(f"coe cluster template show {shown['cluster_template_id']} -f json")
    assert (template["name"], template["docker_volume_size"]) == ("k8s-fcos", 5)
    config = sandbox.run(f"{BIN}/openstack coe cluster config {uuid} --dir {tmp_path} --output-certs")
    assert config.returncode == 0, config.stderr
    assert "203.0.113.20" in (tmp_path / "config").read_text()
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert {thing["outcome"] for thing in imported().values()} <= {"unchanged", "kept"}
    deleted = sandbox.run(f"{BIN}/jeroboam cluster delete {uuid} --wait")
    assert deleted.returncode == 0, deleted.stderr
