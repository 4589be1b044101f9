"""Renders the files and script with which one node joins the cluster.

Rule: the first manager founds the swarm. Other managers join one at a time; workers join in parallel as soon as the
first manager has reported its join tokens. Once a manager has joined, no other founds a swarm, whatever its index.
"""

from __future__ import annotations

import shlex
from typing import Any

from jeroboam.driver import (
    FAILED,
    JOINED,
    REMOVING,
    Bootstrap,
    BootstrapContext,
    EndpointMode,
    NotYet,
    joined_masters,
    masters,
)
from jeroboam.driver.scripts import FUNCTIONS, MACHINE
from shared.drivers.hosts import authorities
from shared.drivers.hosts import scripts as host_scripts
from shared.drivers.swarm import daemon, monitoring, scripts
from shared.drivers.swarm.labels import Labels, api_port
from shared.drivers.swarm.members import node_availability

ETC = "/etc/jeroboam"
_NODE_COMMANDS = ("upgrade-prepare", "upgrade")
_MANAGER_COMMANDS = ("remove-nodes", "label-nodes", "settle", "drain", "activate", "rotate-swarm-ca")
_TOKENS = {True: "manager_token", False: "worker_token"}


def render(context: BootstrapContext, labels: Labels) -> Bootstrap | NotYet:
    """The node's bootstrap, or why it has to wait."""
    managers = [node for node in joined_masters(context.nodes) if node.uuid != context.node.uuid]
    waiting = _not_yet(context, bool(managers))
    if waiting is not None:
        return waiting
    token = _token(context) if managers else ""
    if managers and not token:
        return NotYet(f"waiting for the join token of {managers[0].name}", 3)
    addresses = [node.ip_address for node in managers if node.ip_address]
    master = context.node.is_master
    files = [
        _file(f"{ETC}/node.env", _environment(context, labels, addresses), "0600"),
        _file(f"{ETC}/join-token", token, "0600"),
        _file(f"{ETC}/functions.sh", FUNCTIONS),
        _file(f"{ETC}/machine.sh", MACHINE),
        _file(f"{ETC}/trust.sh", host_scripts.text("trust.sh")),
        _file(f"{ETC}/plugins.sh", host_scripts.text("plugins.sh")),
        _file(f"{ETC}/swarm.sh", scripts.text("swarm.sh")),
        _file(f"{ETC}/health", scripts.text("health.sh"), "0755"),
        _file(f"{ETC}/facts", scripts.text("facts.sh"), "0755"),
        *daemon.files(context, labels),
        *authorities.files(context, labels.extra_ca_certificates),
        *labels.plugin_files(),
        *_commands(*_NODE_COMMANDS, *(_MANAGER_COMMANDS if master else ())),
    ]
    if master:
        authority = context.secrets["cluster"].certificate or ""
        files.append(_file(f"{ETC}/pki/ca.pem", authority))
        files += monitoring.files(context, labels)
        files.append(_file(f"{ETC}/check-api", scripts.text("check-api.sh"), "0755"))
        if context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
            files.append(_file(f"{ETC}/keepalived.conf", daemon.shared_address(context, f"{ETC}/check-api"), "0600"))
    return Bootstrap(script=scripts.text("node.sh"), files=files)


def _not_yet(context: BootstrapContext, founded: bool) -> NotYet | None:
    ordered = [node for node in masters(context.nodes) if node.state != REMOVING]
    first, me = ordered[0], context.node.uuid
    if "api_private_address" not in context.base_outputs:
        return NotYet("the address of the cluster's API is not known yet", 3)
    if context.node.is_master and context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
        # Their configurations contain each other's addresses.
        unknown = [node.name for node in ordered if node.ip_address is None]
        if unknown:
            return NotYet(f"waiting for the addresses of {', '.join(unknown)}", 3)
    if me == first.uuid:
        return None
    if not founded:
        # A manager that has joined already gets its bootstrap again, e.g. for a rotation.
        return None if context.node.has_joined else NotYet(f"waiting for the first manager {first.name}", 3)
    for node in ordered if context.node.is_master and not context.node.has_joined else ():
        if node.uuid == me:
            break
        if node.state not in (JOINED, FAILED):
            return NotYet(f"managers join one at a time: waiting for {node.name}", 3)
    return None


def _token(context: BootstrapContext) -> str:
    """The token that a manager reported last: tokens are replaced after every join, and only one manager does it."""
    name = _TOKENS[context.node.is_master]
    reported = [found for facts in context.facts.values() if (found := facts.get(name))]
    return reported[-1] if reported else ""


def _environment(context: BootstrapContext, labels: Labels, managers: list[str]) -> str:
    cluster, master = context.cluster, context.node.is_master
    shared_address = master and cluster.endpoint_mode is EndpointMode.VIRTUAL_IP
    values: dict[str, Any] = {
        "MASTER": "yes" if master else "no",
        "NODE_NAME": context.node.name,
        "NODE_UUID": context.node.uuid,
        "NODE_ADDRESS": context.node.ip_address or "",
        "MANAGERS": " ".join(managers),
        "AVAILABILITY": node_availability(cluster, context.nodegroup, context.node),
        "API_PORT": api_port(cluster),
        "DOCKER_VERSION": labels.docker_version or "",
        "ADDRESS_POOL": labels.swarm_address_pool,
        "SUBNET_SIZE": labels.swarm_subnet_size,
        "TASK_HISTORY": labels.task_history_limit,
        "NETWORK_MTU": labels.container_network_mtu or "",
        "VIRTUAL_IP": context.base_outputs["api_private_address"] if shared_address else "",
        "CONTAINER_VOLUME_GIB": context.nodegroup.docker_volume_size or "",
        "CONTAINER_DIRECTORY": "/var/lib/docker",
        "CONTAINER_SERVICE": "docker",
        "PACKAGES": context.packages or "",
    }
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def _commands(*names: str) -> list[dict[str, str]]:
    return [_file(f"{ETC}/commands.d/{name}", scripts.text(f"commands/{name}.sh"), "0755") for name in names]


def _file(path: str, content: str, mode: str = "0644") -> dict[str, str]:
    return {"path": path, "content": content, "mode": mode}
