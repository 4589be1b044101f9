"""Renders the files and script with which one node joins: the bootstrap machine, a master, or an agent.

Rule: the bootstrap machine waits for the addresses of all masters, because they are part of what it generates. All
masters are installed together, because a majority of them is needed for anything to work. Agents wait for a master.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jeroboam.driver import (
    BOOTSTRAP,
    Bootstrap,
    BootstrapContext,
    EndpointMode,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    joined_masters,
    keepalived_config,
    masters,
)
from jeroboam.driver.proxies import docker_proxy_files, encoded
from jeroboam.driver.scripts import FUNCTIONS, MACHINE
from shared.drivers.dcos import client, genconf, scripts
from shared.drivers.dcos.labels import API_PORT, PUBLIC, Labels
from shared.drivers.hosts import authorities
from shared.drivers.hosts import scripts as host_scripts
from shared.drivers.mesos_agents import files
from shared.drivers.mesos_agents.attributes import attributes
from shared.drivers.mesos_agents.files import ETC, OWN, file

BOOTSTRAP_PORT = 80
MESOS_PORT = 5050


def render(context: BootstrapContext, labels: Labels) -> Bootstrap | NotYet:
    """The node's bootstrap, or why it has to wait."""
    if (waiting := _not_yet(context)) is not None:
        return waiting
    found = [
        file(f"{ETC}/node.env", files.environment(_variables(context, labels)), "0600"),
        file(f"{ETC}/functions.sh", FUNCTIONS),
        file(f"{ETC}/machine.sh", MACHINE),
        file(f"{ETC}/trust.sh", host_scripts.text("trust.sh")),
        *authorities.files(context, labels.extra_ca_certificates),
        *_docker_settings(context, labels),
        *files.of_every_node(),
        file(f"{ETC}/engine.sh", scripts.text("engine.sh")),
        file(f"{ETC}/health", scripts.text("health.sh"), "0755"),
        file(f"{ETC}/facts", scripts.text("facts.sh"), "0755"),
        # Mesos in DC/OS has no authentication of its own; Admin Router has, and only its ports can be reached.
        *(file(f"{OWN}/{name}", "# no credential\n") for name in ("curl-master", "curl-agent")),
        *(each for each in docker_proxy_files(context, labels) if not each["path"].startswith("/etc/apt/")),
    ]
    if context.node.role == BOOTSTRAP:
        return Bootstrap(scripts.text("node.sh"), found + _of_bootstrap(context, labels))
    public = context.node.floating_ip or context.node.ip_address
    found.append(file(genconf.ADDRESS_FILE, f"{context.node.ip_address}\n"))
    found.append(file(genconf.PUBLIC_ADDRESS_FILE, f"{public}\n"))
    found += _of_master(context) if context.node.is_master else _of_agent(context)
    return Bootstrap(scripts.text("node.sh"), found)


def _docker_settings(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """daemon.json, which takes the place of the image's, only if there is something to say in it."""
    settings = labels.daemon_settings(context.cluster)
    return [file("/etc/docker/daemon.json", json.dumps(settings) + "\n")] if settings else []


def bootstrap_machine(nodes: Sequence[NodeSpec]) -> NodeSpec | None:
    """The machine that others are installed from: the newest that has joined."""
    return max(
        (node for node in nodes if node.role == BOOTSTRAP and node.has_joined),
        key=lambda node: node.index,
        default=None,
    )


def own_attributes(nodegroup: NodegroupSpec) -> dict[str, str]:
    """What DC/OS itself gives its public agents; other attributes would replace it."""
    return {"public_ip": "true"} if nodegroup.role == PUBLIC else {}


def _not_yet(context: BootstrapContext) -> NotYet | None:
    if "api_private_address" not in context.base_outputs:
        return NotYet("the address of the cluster's API is not known yet", 3)
    unknown = [node.name for node in masters(context.nodes) if node.ip_address is None]
    if unknown:
        return NotYet(f"waiting for the addresses of {', '.join(unknown)}", 3)
    if context.node.ip_address is None:
        return NotYet("the address of this node is not known yet", 3)
    if context.node.role == BOOTSTRAP:
        return None
    if bootstrap_machine(context.nodes) is None:
        return NotYet("waiting for the bootstrap machine", 5)
    if not context.node.is_master and not joined_masters(context.nodes):
        return NotYet("waiting for a master", 3)
    return None


def _of_bootstrap(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    place = f"{ETC}/genconf"
    return [
        file(f"{place}/config.yaml", genconf.config(context, labels, _url(context.node))),
        file(f"{place}/ip-detect", genconf.detect(genconf.ADDRESS_FILE), "0755"),
        file(f"{place}/ip-detect-public", genconf.detect(genconf.PUBLIC_ADDRESS_FILE), "0755"),
    ]


def _of_master(context: BootstrapContext) -> list[dict[str, str]]:
    found = [*files.of_master(), file(f"{ETC}/account.json", client.account(context.secrets))]
    if _shares_address(context):
        check = f"{ETC}/check-api"
        shared = keepalived_config(context, check=check, key_from=client.ACCOUNT)
        found += [file(check, scripts.text("check-api.sh"), "0755"), file(f"{ETC}/keepalived.conf", shared, "0600")]
    return found


def _of_agent(context: BootstrapContext) -> list[dict[str, str]]:
    return files.of_agent(attributes(context.nodegroup, context.node, own_attributes(context.nodegroup)))


def _shares_address(context: BootstrapContext) -> bool:
    return context.node.is_master and context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP


def _url(node: NodeSpec) -> str:
    return f"http://{node.ip_address}:{BOOTSTRAP_PORT}"


def _role(context: BootstrapContext) -> str:
    """The node's role as DC/OS' installer names it; `bootstrap` is ours."""
    if context.node.role == BOOTSTRAP:
        return BOOTSTRAP
    if context.node.is_master:
        return "master"
    return "slave_public" if context.nodegroup.role == PUBLIC else "slave"


def _variables(context: BootstrapContext, labels: Labels) -> dict[str, Any]:
    machine = bootstrap_machine(context.nodes) or context.node
    own = context.node.role == BOOTSTRAP
    return {
        "ROLE": _role(context),
        "NODE_NAME": context.node.name,
        "NODE_ADDRESS": context.node.ip_address,
        "MASTERS": " ".join(f"{node.ip_address}:{MESOS_PORT}" for node in masters(context.nodes)),
        "BOOTSTRAP_URL": _url(context.node if own else machine),
        "GENERATOR_URL": labels.dcos_generate_config_url if own else "",
        "GENERATOR_SHA256": (labels.dcos_generate_config_sha256 or "") if own else "",
        "NGINX_IMAGE": labels.dcos_nginx_image if own else "",
        "DOWNLOAD_HTTP_PROXY": encoded(context.cluster.http_proxy) if own else "",
        "DOWNLOAD_HTTPS_PROXY": encoded(context.cluster.https_proxy) if own else "",
        "AUTHENTICATED": "yes" if labels.oauth_enabled else "no",
        "API_PORT": API_PORT,
        "VIRTUAL_IP": context.base_outputs["api_private_address"] if _shares_address(context) else "",
        "CONTAINER_VOLUME_GIB": "" if context.node.is_master else context.nodegroup.docker_volume_size or "",
        "CONTAINER_DIRECTORY": "/var/lib/docker",
        "CONTAINER_SERVICE": "docker",
    }
