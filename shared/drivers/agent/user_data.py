"""User data for distributions with cloud-init: the agent, where to call, and the one-time token.

Rule: user data opens nothing once the token is exchanged, and holds no lifecycle logic; what a node does is fetched.
"""

from __future__ import annotations

import base64
import gzip
import json
import shlex
from functools import cache
from importlib import resources

AGENT_PATH = "/usr/local/sbin/jeroboam-agent"
DIRECTORY = "/etc/jeroboam"

_UNIT = f"""[Unit]
Description=Jeroboam node agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/bin/sh {AGENT_PATH}
Restart=always
RestartSec=5
# 78: the node is being removed and nobody wants to hear of it any more.
RestartPreventExitStatus=78

[Install]
WantedBy=multi-user.target
"""


def agent_script() -> str:
    """The agent, as it runs on every node."""
    return resources.files("shared.drivers.agent").joinpath("agent.sh").read_text()


@cache
def _packed_agent() -> str:
    """The agent for cloud-init's `gz+b64`: a shard's nodes share one request to Heat of at most 1 MiB."""
    return base64.b64encode(gzip.compress(agent_script().encode(), mtime=0)).decode()


def cloud_config(
    *, node_id: str, node_name: str, api_url: str, ca_pem: str | None, token: str, ssh_public_key: str | None
) -> str:
    """The `#cloud-config` of one node.

    Args:
        api_url: Jeroboam's API as the node reaches it.
        ca_pem: the CA of that API's certificate; None for a publicly trusted one.
        token: the node's one-time token.
        ssh_public_key: for the distribution's default user.
    """
    environment = "".join(
        f"{name}={shlex.quote(value)}\n"
        for name, value in (("JEROBOAM_URL", api_url), ("JEROBOAM_NODE_ID", node_id), ("JEROBOAM_TOKEN", token))
    )
    files = [
        {"path": f"{DIRECTORY}/agent.env", "permissions": "0600", "content": environment},
        {"path": AGENT_PATH, "permissions": "0755", "encoding": "gz+b64", "content": _packed_agent()},
        {"path": "/etc/systemd/system/jeroboam-agent.service", "permissions": "0644", "content": _UNIT},
    ]
    if ca_pem:
        files.append({"path": f"{DIRECTORY}/ca.pem", "permissions": "0644", "content": ca_pem})
    document: dict[str, object] = {
        "hostname": node_name,
        "preserve_hostname": False,
        "write_files": files,
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "jeroboam-agent.service"]],
    }
    if ssh_public_key:
        document["ssh_authorized_keys"] = [ssh_public_key]
    # JSON is YAML: no quoting rule of ours can go wrong.
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"
