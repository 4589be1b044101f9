"""Scripts and user data, checked by the tools that will read them."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import jeroboam.driver
import shared.drivers
from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import API_URL, MODES, TOKEN, make_case
from sandbox.nodes.user_data import read_user_data
from shared.drivers.agent import bundle
from shared.drivers.agent.machine import agent_script
from tests.support.cloud_init import cloud_init_schema
from tests.support.kubernetes import driver

AGENT_PATH = "/usr/local/sbin/jeroboam-agent"
_PLACES = [Path(next(iter(package.__path__))) for package in (shared.drivers, jeroboam.driver)]
SCRIPTS = sorted(path for place in _PLACES for path in place.rglob("*.sh"))
SHELLCHECK = Path(sysconfig.get_path("scripts")) / "shellcheck"


def shellcheck(text: str) -> None:
    done = subprocess.run(
        [str(SHELLCHECK), "--shell=sh", "-"], input=text, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_scripts_were_found() -> None:
    assert {path.name for path in SCRIPTS} >= {
        "agent.sh",
        "node.sh",
        "health.sh",
        "check-apiserver.sh",
        "functions.sh",
        "swarm.sh",
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_plain_sh(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("#!/bin/sh\n")
    shellcheck(text)


@pytest.mark.parametrize("mode", MODES)
def test_bundles_are_plain_sh(mode: str) -> None:
    for _, found in make_case(driver, mode).bootstraps():
        shellcheck(bundle.render(found, "v1.34.2"))


def test_a_bundle_cut_short_does_nothing(tmp_path: Path) -> None:
    text = bundle.render(Bootstrap("touch ran\n", [{"path": "/a", "content": "b" * 300, "mode": "0600"}]), "v1")
    assert text.endswith(f"\n{bundle.COMPLETE}\n")
    for length in range(0, text.index("\nmain\n"), 40):
        root = tmp_path / str(length)
        root.mkdir()
        environment = {"PATH": "/usr/bin:/bin", "JEROBOAM_ROOT": str(root)}
        subprocess.run(
            ["sh"], input=text[:length], text=True, cwd=root, env=environment, capture_output=True, timeout=20
        )
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("mode", MODES)
def test_user_data_is_what_cloud_init_takes(mode: str, tmp_path: Path) -> None:
    case = make_case(driver, mode)
    for node in (case.nodes[0], case.nodes[-1]):
        said = cloud_init_schema(case.user_data(node), tmp_path / "user-data")
        assert said == "", said


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    assert "write_files" in cloud_init_schema('#cloud-config\n{"write_files": [{"content": 7}]}\n', tmp_path / "wrong")


def test_user_data_holds_the_agent_as_it_is() -> None:
    case = make_case(driver)
    text = case.user_data(case.nodes[0])
    document = json.loads(text.removeprefix("#cloud-config\n"))
    found = {file["path"]: file for file in document["write_files"]}
    agent = found[AGENT_PATH]
    assert agent["encoding"] == "gz+b64"
    assert gzip.decompress(base64.b64decode(agent["content"])).decode() == agent_script()
    assert found["/etc/jeroboam/agent.env"]["permissions"] == "0600"
    assert document["hostname"] == case.nodes[0].name
    assert document["ssh_authorized_keys"] == [case.cluster.ssh_public_key]
    settings = read_user_data(text)
    assert settings is not None
    assert (settings.url, settings.node_id, settings.token) == (API_URL, case.nodes[0].uuid, TOKEN)


def test_the_agent_is_small() -> None:
    assert len(agent_script()) < 10_000
    case = make_case(driver).with_cluster(ssh_public_key=None)
    text = driver.user_data(case.cluster, case.nodes[0], api_url="https://a", ca_pem=None, token="t")
    assert len(text) < 8_000
    assert "ca.pem" not in text


def test_the_unit_does_not_restart_an_agent_that_was_sent_away() -> None:
    case = make_case(driver)
    text = case.user_data(case.nodes[0])
    assert "RestartPreventExitStatus=78" in text
    assert "STOPPED=78" in agent_script()


def test_a_shell_is_there_to_check_with() -> None:
    assert shutil.which("sh")
    assert SHELLCHECK.exists()
