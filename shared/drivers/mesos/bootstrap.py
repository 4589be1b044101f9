"""Renders the files and script with which one node joins the cluster.

Rule: all masters start together, because a majority of them is needed for anything to work; each knows the addresses of
all. Agents wait for a master.
"""

from __future__ import annotations

import json
from typing import Any

from jeroboam.driver import (
    Bootstrap,
    BootstrapContext,
    EndpointMode,
    NotYet,
    joined_masters,
    keepalived_config,
    masters,
)
from jeroboam.driver.proxies import docker_proxy_files
from jeroboam.driver.scripts import FUNCTIONS, MACHINE
from shared.drivers.hosts import authorities
from shared.drivers.hosts import scripts as host_scripts
from shared.drivers.mesos import credentials, monitoring, scripts, settings, units
from shared.drivers.mesos.labels import MASTER_PORT, Labels, marathon_port
from shared.drivers.mesos_agents import files
from shared.drivers.mesos_agents.attributes import attributes
from shared.drivers.mesos_agents.files import ETC, file


def render(context: BootstrapContext, labels: Labels) -> Bootstrap | NotYet:
    """The node's bootstrap, or why it has to wait."""
    if (waiting := _not_yet(context)) is not None:
        return waiting
    found = [
        file(f"{ETC}/node.env", files.environment(_variables(context)), "0600"),
        file(f"{ETC}/functions.sh", FUNCTIONS),
        file(f"{ETC}/machine.sh", MACHINE),
        file(f"{ETC}/trust.sh", host_scripts.text("trust.sh")),
        file(f"{ETC}/plugins.sh", host_scripts.text("plugins.sh")),
        *authorities.files(context, labels.extra_ca_certificates),
        *files.of_every_node(),
        file(f"{ETC}/engine.sh", scripts.text("engine.sh")),
        file(f"{ETC}/health", scripts.text("health.sh"), "0755"),
        file(f"{ETC}/facts", scripts.text("facts.sh"), "0755"),
    ]
    found += _of_master(context, labels) if context.node.is_master else _of_agent(context, labels)
    return Bootstrap(script=scripts.text("node.sh"), files=found)


def _not_yet(context: BootstrapContext) -> NotYet | None:
    if "api_private_address" not in context.base_outputs:
        return NotYet("the address of the cluster's API is not known yet", 3)
    unknown = [node.name for node in masters(context.nodes) if node.ip_address is None]
    if unknown:
        return NotYet(f"waiting for the addresses of {', '.join(unknown)}", 3)
    if context.node.ip_address is None:
        return NotYet("the address of this node is not known yet", 3)
    if not context.node.is_master and not joined_masters(context.nodes):
        return NotYet("waiting for a master", 3)
    return None


def _of_master(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    found = [*settings.of_master(context, labels), *units.of_master(), *files.of_master()]
    found += monitoring.of_master(context, labels)
    if _shares_address(context):
        check = f"{ETC}/check-api"
        shared = keepalived_config(context, check=check, key_from=credentials.SECRET)
        found += [file(check, scripts.text("check-api.sh"), "0755"), file(f"{ETC}/keepalived.conf", shared, "0600")]
    return found


def _of_agent(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    found = [*settings.of_agent(context, labels), *units.of_agent(), *docker_proxy_files(context, labels)]
    found += monitoring.of_agent(context, labels)
    if daemon := labels.daemon_settings(context.cluster):
        found.append(file("/etc/docker/daemon.json", json.dumps(daemon) + "\n"))
    return found + labels.plugin_files() + files.of_agent(attributes(context.nodegroup, context.node))


def _shares_address(context: BootstrapContext) -> bool:
    return context.node.is_master and context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP


def _variables(context: BootstrapContext) -> dict[str, Any]:
    return {
        "MASTER": "yes" if context.node.is_master else "no",
        "NODE_NAME": context.node.name,
        "NODE_ADDRESS": context.node.ip_address,
        "MASTERS": " ".join(f"{node.ip_address}:{MASTER_PORT}" for node in masters(context.nodes)),
        "MARATHON_PORT": marathon_port(context.cluster),
        "VIRTUAL_IP": context.base_outputs["api_private_address"] if _shares_address(context) else "",
        "CONTAINER_VOLUME_GIB": "" if context.node.is_master else context.nodegroup.docker_volume_size or "",
        "CONTAINER_DIRECTORY": "/var/lib/docker",
        "CONTAINER_SERVICE": "docker",
    }
