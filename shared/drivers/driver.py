"""The driver of a nodegroup: the combination of an engine, an operating system and a kind of hardware.

Rule: the three are combined only here; none of them depends on another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jeroboam.driver import ClusterSpec, Engine, Hardware, NodegroupSpec, NodeSpec, OperatingSystem
from jeroboam.driver.labels import InfrastructureLabels, node_network
from jeroboam.driver.proxies import encoded, no_proxy
from shared.drivers.agent.machine import machine_setup
from shared.drivers.discovery import combination_name
from shared.stacks import shard
from shared.stacks.hot import Template


@dataclass(frozen=True, slots=True)
class Driver:
    engine: Engine
    operating_system: OperatingSystem
    hardware: Hardware

    @property
    def name(self) -> str:
        """The `driver` in Magnum's API, e.g. `kubernetes-ubuntu`; hardware other than VMs is appended."""
        return combination_name(self.engine.name, self.operating_system.name, self.hardware.name)

    def takes(self, coe: str, os_distro: str, server_type: str) -> bool:
        """Whether it supports a cluster type of Magnum's API."""
        return (
            coe in self.engine.coes
            and os_distro in self.operating_system.distros
            and server_type in self.hardware.server_types
        )

    def shard_stack(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        user_data: Mapping[str, str],
        base_outputs: Mapping[str, Any],
    ) -> Template:
        """The HOT of one shard of a nodegroup; see `shared.stacks.shard.render`."""
        return shard.render(self.engine, self.hardware, cluster, nodegroup, nodes, user_data, base_outputs)

    def user_data(self, cluster: ClusterSpec, node: NodeSpec, *, api_url: str, ca_pem: str | None, token: str) -> str:
        """The server's user data: the agent, Jeroboam's URL and CA, and the node's one-time token."""
        proxy = encoded(cluster.https_proxy if api_url.startswith("https:") else cluster.http_proxy)
        setup = machine_setup(
            node,
            programs_directory=self.operating_system.programs_directory,
            api_url=api_url,
            ca_pem=ca_pem,
            token=token,
            ssh_public_key=cluster.ssh_public_key,
            proxy=proxy,
            direct=no_proxy(cluster, ["127.0.0.1", "localhost", _network(cluster)]) if proxy else "",
        )
        return self.operating_system.user_data(setup)


def _network(cluster: ClusterSpec) -> str:
    return node_network(cluster, InfrastructureLabels.read(cluster))
