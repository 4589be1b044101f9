"""Ignition configurations, held against Ignition's own checker."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from jeroboam.driver import File, MachineSetup, Unit
from jeroboam.testing.cases import TOKEN, make_case
from sandbox.nodes.user_data import read_user_data
from shared.drivers.registry import find_driver, get_operating_system
from tests.support.ignition import ignition_validate

UNIT = Unit("a.service", "[Service]\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target\n")


@pytest.mark.parametrize(("system", "held"), [("fedora-coreos", "zincati"), ("flatcar", "update.conf")])
def test_a_machines_configuration(system: str, held: str, tmp_path: Path) -> None:
    driver = find_driver("swarm", system, "vm")
    assert driver is not None
    case = make_case(driver)
    for node in case.nodes:
        text = case.user_data(node)
        assert ignition_validate(text, tmp_path / "config.ign") == ""
        settings = read_user_data(text)
        assert settings is not None and (settings.node_id, settings.token) == (node.uuid, TOKEN)
        files = {file["path"]: file for file in json.loads(text)["storage"]["files"]}
        assert files["/etc/hostname"]["contents"]["source"] == f"data:,{node.name}%0A"
        assert any(held in path for path in files), "updates of the operating system are held"
        assert len(text) < 48 * 1024, "Nova's limit of user data"


@pytest.mark.parametrize("content", ["", 'a"b\\\n', "ü\n", "%41", "x" * 5000, "#!/bin/sh\necho '$HOME' & ;?\n"])
def test_contents_arrive_as_they_are(content: str, tmp_path: Path) -> None:
    for name in ("fedora-coreos", "flatcar"):
        machine = MachineSetup("node", [File("/etc/x", content, "0600")], [UNIT], "ssh-ed25519 AAAA a\n")
        text = get_operating_system(name).user_data(machine)
        assert ignition_validate(text, tmp_path / "config.ign") == ""
        (file,) = (each for each in json.loads(text)["storage"]["files"] if each["path"] == "/etc/x")
        assert file["mode"] == 0o600
        if len(content) < 4096:
            assert unquote(file["contents"]["source"].removeprefix("data:,")) == content


def test_the_checker_sees_what_is_wrong(tmp_path: Path) -> None:
    assert ignition_validate('{"ignition": {"version": "3.3.0"}, "unknown": 1}', tmp_path / "config.ign") != ""
