"""What a simulated node reads from cloud-config and Ignition."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from sandbox.nodes.user_data import AgentSettings, read_user_data

ENVIRONMENT = "JEROBOAM_URL=http://api:9511/\nJEROBOAM_NODE_ID=n1\nJEROBOAM_TOKEN=t=1\n"
EXPECTED = AgentSettings("http://api:9511", "n1", "t=1")


def cloud_config(text: str, **more: str) -> str:
    file = {"path": "/etc/jeroboam/agent.env", "content": text, **more}
    return "#cloud-config\n" + json.dumps({"write_files": [file]})


def ignition(source: str) -> str:
    file = {"path": "/etc/jeroboam/agent.env", "contents": {"source": source}}
    return json.dumps({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}})


@pytest.mark.parametrize(
    "text",
    [
        cloud_config(ENVIRONMENT),
        cloud_config(base64.b64encode(ENVIRONMENT.encode()).decode(), encoding="b64"),
        "#cloud-config\nwrite_files:\n- path: /etc/jeroboam/agent.env\n  content: |\n    "
        + ENVIRONMENT.replace("\n", "\n    "),
        ignition("data:," + quote(ENVIRONMENT)),
        ignition("data:;base64," + base64.b64encode(ENVIRONMENT.encode()).decode()),
    ],
)
def test_the_agents_environment_is_found(text: str) -> None:
    assert read_user_data(text) == EXPECTED


def test_the_ca_is_found() -> None:
    files = [
        {"path": "/etc/jeroboam/agent.env", "content": ENVIRONMENT},
        {"path": "/etc/jeroboam/ca.pem", "content": "PEM"},
    ]
    found = read_user_data("#cloud-config\n" + json.dumps({"write_files": files}))
    assert found is not None
    assert found.ca_pem == "PEM"


@pytest.mark.parametrize(
    "text", ["", "#!/bin/sh\necho", "#cloud-config\n: :", "#cloud-config\n[]", cloud_config("JEROBOAM_URL=x\n")]
)
def test_user_data_without_an_agent_gives_none(text: str) -> None:
    assert read_user_data(text) is None
