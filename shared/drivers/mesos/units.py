"""The systemd units of a node's services. The node script inserts the paths of the programs.

Rule: a unit of the image with the same name is replaced, so that all settings are those of this engine.
"""

from __future__ import annotations

from shared.drivers.mesos_agents.files import ETC, OWN, file

PROGRAM = "@PROGRAM@"


def _unit(description: str, service: str, *, after: str) -> str:
    return f"""\
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target {after}
StartLimitIntervalSec=0

[Service]
{service}RestartSec=5
LimitNOFILE=16384

[Install]
WantedBy=multi-user.target
"""


# A leading master that loses ZooKeeper exits, and relies on being restarted.
_MASTER = f"EnvironmentFile={OWN}/master.env\nExecStart={PROGRAM}\nRestart=always\n"
# The option has no value, so it cannot be a variable.
_MARATHON = f"EnvironmentFile={OWN}/marathon.env\nExecStart={PROGRAM} --mesos_authentication\nRestart=always\n"
# An agent that was told to leave exits with 0 and must not come back as a new one. Executors outlive the agent.
_AGENT = (
    f"EnvironmentFile={OWN}/agent.env\nEnvironmentFile={OWN}/attributes.env\nExecStart={PROGRAM}\n"
    "Restart=on-failure\nKillMode=process\nDelegate=true\n"
)


def of_master() -> list[dict[str, str]]:
    return [
        file(f"{ETC}/units/mesos-master.service", _unit("Mesos master", _MASTER, after="zookeeper.service")),
        file(f"{ETC}/units/marathon.service", _unit("Marathon", _MARATHON, after="zookeeper.service")),
    ]


def of_agent() -> list[dict[str, str]]:
    return [file(f"{ETC}/units/mesos-slave.service", _unit("Mesos agent", _AGENT, after="docker.service"))]
