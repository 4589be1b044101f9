"""The first files of every node's machine: the agent, its settings, and a unit that runs it.

Rule: the only secret in user data is the token, which is invalid once it is exchanged. User data contains no lifecycle
logic; the agent fetches it.
"""

from __future__ import annotations

import shlex
from functools import cache
from importlib import resources

from jeroboam.driver import File, MachineSetup, NodeSpec, Unit

DIRECTORY = "/etc/jeroboam"
UNIT = "jeroboam-agent.service"

_UNIT = """[Unit]
Description=Jeroboam node agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/bin/sh {path}
Restart=always
RestartSec=5
# 78: the node is being removed, and its reports are rejected.
RestartPreventExitStatus=78

[Install]
WantedBy=multi-user.target
"""


@cache
def agent_script() -> str:
    """The agent, as it runs on every node: without comment lines, since all nodes of a shard share one request."""
    text = resources.files("shared.drivers.agent").joinpath("agent.sh").read_text()
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#!") or not line.lstrip().startswith("#"))


def machine_setup(
    node: NodeSpec,
    *,
    programs_directory: str,
    api_url: str,
    ca_pem: str | None,
    token: str,
    ssh_public_key: str | None,
    proxy: str = "",
    direct: str = "",
) -> MachineSetup:
    """Build the first files and units of one node's machine.

    Args:
        programs_directory: directory for programs of its operating system.
        api_url: URL at which the node reaches Jeroboam's API.
        ca_pem: the CA of that API's certificate; None for a publicly trusted one.
        token: the node's one-time token.
        proxy: URL of the proxy by which the API is called where it cannot be reached directly; empty for none.
        direct: what is never called by the proxy, as in `no_proxy`.
    """
    path = f"{programs_directory}/jeroboam-agent"
    settings = [("JEROBOAM_URL", api_url), ("JEROBOAM_NODE_ID", node.uuid), ("JEROBOAM_TOKEN", token)]
    if proxy:
        settings += [("JEROBOAM_PROXY", proxy), ("JEROBOAM_NO_PROXY", direct)]
    files = [
        File(f"{DIRECTORY}/agent.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings), "0600"),
        File(path, agent_script(), "0755"),
    ]
    if ca_pem:
        files.append(File(f"{DIRECTORY}/ca.pem", ca_pem))
    return MachineSetup(node.name, files, [Unit(UNIT, _UNIT.format(path=path))], ssh_public_key)
