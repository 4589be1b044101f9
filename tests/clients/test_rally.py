"""rally-openstack's Magnum scenarios, the ones operators measured Magnum with.

Rule: rally's own verdict (no failed iteration, and its clean-up leaves nothing) is the test. Its context `ca_certs` is
not run: on Python 3 it writes bytes into a text file and fails before it has asked anything of the API.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sandbox.testing.process import BIN, SandboxProcess

TASK = Path(__file__).with_name("rally-task.json")
CONFIGURATION = """\
[database]
connection = sqlite:///{place}/rally.db
[openstack]
magnum_cluster_create_prepoll_delay = 1.0
magnum_cluster_create_poll_interval = 0.5
magnum_cluster_create_timeout = 300
"""


def test_the_scenarios(tool: Any, sandbox: SandboxProcess, keystone: str, tmp_path: Path) -> None:
    admin = {"username": "admin", "password": "secret", "project_name": "admin"}
    admin |= {"user_domain_name": "Default", "project_domain_name": "Default"}
    spec = {"existing@openstack": {"auth_url": keystone, "region_name": "RegionOne", "admin": admin}}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    (tmp_path / "rally.conf").write_text(CONFIGURATION.format(place=tmp_path))

    def rally(*arguments: str) -> str:
        done = subprocess.run(
            [str(tool("rally", "rally")), "--config-file", str(tmp_path / "rally.conf"), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    rally("db", "ensure")
    rally("env", "create", "--name", "sandbox", "--spec", str(tmp_path / "spec.json"))
    rally("task", "start", str(TASK))
    rally("task", "report", "--json", "--out", str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    workloads = [load for task in report["tasks"] for part in task["subtasks"] for load in part["workloads"]]
    assert sorted(len(load["data"]) for load in workloads) == [4, 10, 10]
    assert [run["error"] for load in workloads for run in load["data"] if run["error"]] == []
    left = sandbox.run(f"OS_CLOUD=jeroboam-admin {BIN}/openstack coe cluster list -f json")
    names = [row["name"] for row in json.loads(left.stdout) if row["status"] != "DELETE_IN_PROGRESS"]
    assert names == []
