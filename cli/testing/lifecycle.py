"""A cluster's whole life with an installed driver: real API and services, simulated cloud and nodes.

    pytest --pyargs cli.testing.lifecycle --jeroboam-driver my-engine-my-os --jeroboam-upgrade my_version=2.0

Simulated nodes take every script for successful; what a script does has to be tested elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from jeroboam.driver import Capability
from sandbox.layout import PASSWORD
from sandbox.testing.process import SandboxProcess
from shared.drivers.driver import Driver

# Warnings of openstacksdk are not those of the driver.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("default")]


class Commands:
    """`jeroboam` as user demo of a sandbox has it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox

    def __call__(self, arguments: str) -> str:
        # In this process: starting one for each command costs more than the command.
        done = CliRunner().invoke(app, arguments.split(), env=self.sandbox.environment())
        assert done.exit_code == 0, f"jeroboam {arguments}\n{done.output}"
        return done.stdout

    def read(self, arguments: str) -> Any:
        return json.loads(self(f"--format json {arguments}"))

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of the cluster `life`; all of them have joined."""
        found: list[dict[str, Any]] = self.read("cluster nodes life")
        assert {node["state"] for node in found} == {"joined"}
        return found

    def template(self, name: str, driver: Driver, image: str, labels: list[str]) -> None:
        options = "".join(f" --label {label}" for label in labels)
        several = driver.engine.master_count_problem(3) is None
        balanced = " --master-lb" if several else ""
        self(
            f"template create {name} --coe {driver.engine.coes[0]} --image {image} --external-network public "
            f"--flavor m1.small --master-flavor m1.small --no-floating-ip{balanced}{options}"
        )


@pytest.fixture
def commands() -> Iterator[Commands]:
    """A sandbox of its own."""
    running = SandboxProcess()
    try:
        yield Commands(running)
    finally:
        assert running.interrupt() == 0, running.output


def add_image(sandbox: SandboxProcess, distro: str) -> str:
    """Add an image of an operating system to the sandbox; returns its name."""
    auth_url = yaml.safe_load(Path(sandbox.clouds_file).read_text())["clouds"]["jeroboam"]["auth"]["auth_url"]
    user = {"name": "demo", "password": PASSWORD, "domain": {"name": "Default"}}
    scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    name = f"image-of-{distro}"
    with httpx.Client(trust_env=False, timeout=30) as http:
        token = http.post(f"{auth_url}/auth/tokens", json=body).raise_for_status().headers["x-subject-token"]
        made = http.post(
            f"{auth_url.removesuffix('/identity/v3')}/image/v2/images",
            headers={"X-Auth-Token": token},
            json={"name": name, "os_distro": distro, "visibility": "private"},
        )
        made.raise_for_status()
    return name


def test_a_whole_life(jeroboam_driver: Driver, commands: Commands, pytestconfig: pytest.Config) -> None:
    engine = jeroboam_driver.engine
    if jeroboam_driver.hardware.name != "vm":
        pytest.skip("clusters of this test are VMs")
    listed = {each["name"]: each["state"] for each in commands.read("driver list")}
    assert listed[jeroboam_driver.name] == "enabled"
    described = {label["name"] for label in commands.read(f"driver show {jeroboam_driver.name}")["labels"]}
    labels = pytestconfig.getoption("--jeroboam-label")
    newer = pytestconfig.getoption("--jeroboam-upgrade")
    assert {label.partition("=")[0] for label in (*labels, *newer)} <= described, "labels that the engine describes"

    image = add_image(commands.sandbox, jeroboam_driver.operating_system.distros[0])
    commands.template("older", jeroboam_driver, image, labels)
    masters = 3 if engine.master_count_problem(3) is None else 1
    commands(f"cluster create life --cluster-template older --master-count {masters} --node-count 2 --wait")
    assert len(commands.nodes()) == masters + 2
    version = commands.read("cluster show life")["coe_version"]
    assert commands("cluster config life --env")

    if Capability.RESIZE in engine.capabilities:
        for count in (3, 1):
            commands(f"cluster resize life {count} --wait")
            assert len(commands.nodes()) == masters + count
    if {Capability.NODEGROUP_CREATE, Capability.NODEGROUP_DELETE} <= engine.capabilities:
        commands("nodegroup create life further --node-count 2 --wait")
        assert [node["nodegroup"] for node in commands.nodes()].count("further") == 2
        commands("nodegroup delete life further --wait")
    if Capability.UPGRADE in engine.capabilities and newer:
        commands.template("newer", jeroboam_driver, image, newer)
        commands("cluster upgrade life newer --wait")
        upgraded = commands.read("cluster show life")["coe_version"]
        assert upgraded != version and {node["version"] for node in commands.nodes()} == {upgraded}
    if Capability.ROTATE_CA in engine.capabilities:
        commands("cluster rotate-ca life --wait")
    if Capability.ROTATE_CREDENTIALS in engine.capabilities:
        commands("cluster rotate-credentials life --wait")
    commands("cluster delete life --wait")
    assert commands.read("cluster list") == []
