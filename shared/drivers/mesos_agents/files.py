"""The files of a node that work with Mesos: scripts for the operator API, and the commands of masters and agents.

An engine adds `engine.sh`, whose functions and variables the scripts name, and the files of curl's configuration.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from shared.drivers.mesos_agents import scripts

ETC = "/etc/jeroboam"
OWN = f"{ETC}/mesos"
_MASTER_COMMANDS = ("remove-nodes", "note-agents")
_AGENT_COMMANDS = ("set-attributes",)


def file(path: str, content: str, mode: str = "0644") -> dict[str, str]:
    return {"path": path, "content": content, "mode": mode}


def environment(values: Mapping[str, Any]) -> str:
    """Variables in the form that both sh and systemd's `EnvironmentFile` read."""
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def of_every_node() -> list[dict[str, str]]:
    return [file(f"{ETC}/{name}", scripts.text(name)) for name in ("operator-api.sh", "agent.sh")]


def of_master() -> list[dict[str, str]]:
    return _commands(*_MASTER_COMMANDS)


def of_agent(attributes: str) -> list[dict[str, str]]:
    """Args: attributes: the value of `--attributes`."""
    own = file(f"{OWN}/attributes.env", environment({"MESOS_ATTRIBUTES": attributes}))
    return [own, *_commands(*_AGENT_COMMANDS)]


def _commands(*names: str) -> list[dict[str, str]]:
    return [file(f"{ETC}/commands.d/{name}", scripts.text(f"commands/{name}.sh"), "0755") for name in names]
