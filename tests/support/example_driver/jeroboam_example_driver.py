"""The smallest driver that keeps the contract: one web server a node, on a network that exists.

Rule: it imports what a package outside the project may import: the contract, the template helpers, and user data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.domain.states import OperationKind
from shared.drivers.agent.user_data import cloud_config
from shared.drivers.base import (
    Bootstrap,
    BootstrapContext,
    ClientConfig,
    ClusterSpec,
    NodeAction,
    NodegroupSpec,
    NodeSpec,
    NotYet,
    Removal,
    Secret,
    SecretKind,
    Template,
)
from shared.drivers.driver import Driver
from shared.drivers.hot import Resources, get_attr, get_resource, resource, template


class ExampleDriver:
    name = "example"
    coe = "example"
    os_distros: Sequence[str] = ("example-os",)
    server_types: Sequence[str] = ("vm",)
    secrets: Mapping[str, SecretKind] = {"ca": SecretKind.CA}
    operations: frozenset[OperationKind] = frozenset({OperationKind.UPGRADE})

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return []

    def needs(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
        return {"port": 1}

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        return ()

    def base_stack(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Template:
        network = cluster.fixed_network_id or "default"
        port = resource("OS::Neutron::Port", {"name": f"jeroboam-{cluster.uuid}-api", "network": network})
        address = get_attr("api_port", "fixed_ips", 0, "ip_address")
        outputs = {"network_id": network, "api_address": address, "api_private_address": address}
        return template(f"Example cluster {cluster.uuid}", {"api_port": port}, outputs)

    def shard_stack(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        user_data: Mapping[str, str],
        base_outputs: Mapping[str, Any],
    ) -> Template:
        resources: Resources = {}
        outputs = {}
        for node in nodes:
            server, port = f"node-{node.index}", f"port-{node.index}"
            resources[port] = resource("OS::Neutron::Port", {"name": node.name, "network": base_outputs["network_id"]})
            resources[server] = resource(
                "OS::Nova::Server",
                {
                    "name": node.name,
                    "flavor": nodegroup.flavor_id,
                    "image": nodegroup.image_id,
                    "networks": [{"port": get_resource(port)}],
                    "user_data_format": "RAW",
                    "user_data": user_data[node.uuid],
                    "metadata": {
                        "jeroboam_cluster": cluster.uuid,
                        "jeroboam_nodegroup": nodegroup.uuid,
                        "jeroboam_node": node.uuid,
                    },
                },
            )
            address = get_attr(port, "fixed_ips", 0, "ip_address")
            outputs[server] = {"server_id": get_resource(server), "ip_address": address, "floating_ip": None}
        return template(f"Example nodegroup {nodegroup.name}", resources, outputs)

    def user_data(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        node: NodeSpec,
        *,
        api_url: str,
        ca_pem: str | None,
        token: str,
    ) -> str:
        return cloud_config(
            node_id=node.uuid,
            node_name=node.name,
            api_url=api_url,
            ca_pem=ca_pem,
            token=token,
            ssh_public_key=cluster.ssh_public_key,
        )

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        page = {"path": "/srv/index.html", "content": context.node.name, "mode": "0644"}
        return Bootstrap("#!/bin/sh\nsystemctl enable --now web-server\n", [page])

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        return f"http://{base_outputs['api_address']}"

    def coe_version(self, cluster: ClusterSpec) -> str:
        return cluster.labels.get("version", "1.0")

    def container_version(self, cluster: ClusterSpec) -> str | None:
        return None

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return []

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return [] if labels.get("version", "1.0") >= self.coe_version(cluster) else ["label version: it is older"]

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        return {**cluster.labels, "version": labels.get("version", "1.0")}

    def upgrade_actions(
        self, cluster: ClusterSpec, node: NodeSpec, masters: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "install", {"version": self.coe_version(cluster)})]

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        return [NodeAction(node.uuid, "bootstrap")]

    def trust_refresh(self, masters: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        return []

    def removals(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Sequence[Removal]:
        return []  # a page's readers go elsewhere by themselves

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        return []

    def client_config(
        self,
        cluster: ClusterSpec,
        *,
        api_address: str,
        secrets: Mapping[str, Secret],
        user: str,
        groups: Sequence[str],
        lifetime: timedelta,
    ) -> ClientConfig:
        return ClientConfig("example.env", f"EXAMPLE_URL={api_address}\n", lifetime)


driver: Driver = ExampleDriver()
