"""Sample clusters, as the plain values that a driver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jeroboam.driver import (
    JOINED,
    Bootstrap,
    BootstrapContext,
    ClusterSpec,
    Engine,
    KeyAlgorithm,
    NodegroupSpec,
    NodeSpec,
    Secret,
    SecretKind,
    Sizes,
)
from shared.drivers.driver import Driver
from shared.pki.authority import make_authority, make_key_pair
from shared.stacks import base_stack
from shared.stacks.hot import Template

API_URL = "https://jeroboam.example.org:9511"
TOKEN = "Q0wE_one-time_token_rT1"
CLOUD_SECRET = "application-credential-secret-x7"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# How clients reach the masters: (master_lb_enabled, load_balancer) of the cluster.
MODES = {"octavia": (True, True), "vip": (True, False), "port": (False, False)}


def uuid(number: int) -> str:
    return f"5a6b7c8d-0000-4000-8000-{number:012d}"


@cache
def _secret(name: str, kind: SecretKind, algorithm: KeyAlgorithm) -> Secret:
    if kind is SecretKind.BOOTSTRAP_TOKEN:
        return Secret(None, "abcdef.0123456789abcdef")
    ca = kind is SecretKind.CA
    made = make_authority(name, now=NOW, algorithm=algorithm) if ca else make_key_pair(algorithm)
    return Secret(made.public, made.private)


@dataclass(frozen=True)
class Case:
    """A sample cluster.

    Args:
        others: the further nodegroups that every cluster of the engine has.
        nodes: its masters, then its workers, then those of the other nodegroups.
        facts: those reported by joined nodes.
    """

    driver: Driver
    cluster: ClusterSpec
    masters: NodegroupSpec
    workers: NodegroupSpec
    nodes: Sequence[NodeSpec]
    others: Sequence[NodegroupSpec] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.driver.engine

    @property
    def groups(self) -> list[NodegroupSpec]:
        return [self.masters, self.workers, *self.others]

    @property
    def secrets(self) -> Mapping[str, Secret]:
        algorithm = self.engine.key_algorithm(self.cluster)
        return {name: _secret(name, kind, algorithm) for name, kind in self.engine.secrets.items()}

    @property
    def private(self) -> list[str]:
        """All texts that only masters may have; keys without their first and last line."""
        found = [CLOUD_SECRET]
        for name, kind in self.engine.secrets.items():
            if kind is not SecretKind.BOOTSTRAP_TOKEN:
                found.append(self.secrets[name].secret.splitlines()[1])
        return found

    def base(self) -> Template:
        return base_stack.render(self.engine, self.cluster, self.groups)

    def outputs(self) -> dict[str, object]:
        """The base stack's outputs, with sample values."""
        values: dict[str, object] = {
            name: f"id-of-{name}" if isinstance(output["value"], dict) else output["value"]
            for name, output in self.base()["outputs"].items()
        }
        return values | {"api_address": "203.0.113.7", "api_private_address": "10.0.0.4"}

    def group(self, node: NodeSpec) -> NodegroupSpec:
        return next(group for group in self.groups if group.uuid == node.nodegroup_id)

    def user_data(self, node: NodeSpec) -> str:
        return self.driver.user_data(self.cluster, node, api_url=API_URL, ca_pem="PEM OF A CA\n", token=TOKEN)

    def shard(self, role: str, nodes: Sequence[NodeSpec] | None = None) -> Template:
        chosen = nodes if nodes is not None else [node for node in self.nodes if node.role == role]
        group = next(group for group in self.groups if group.role == role)
        data = {node.uuid: self.user_data(node) for node in chosen}
        return self.driver.shard_stack(self.cluster, group, chosen, data, self.outputs())

    def context(self, node: NodeSpec, *, cloud: bool = True) -> BootstrapContext:
        credential = {
            "auth_url": "https://keystone.example.org/v3",
            "region": "RegionOne",
            "application_credential_id": "id-of-credential",
            "application_credential_secret": CLOUD_SECRET,
        }
        return BootstrapContext(
            cluster=self.cluster,
            nodegroup=self.group(node),
            node=node,
            nodes=self.nodes,
            base_outputs=self.outputs(),
            secrets=self.secrets,
            facts=self.facts,
            cloud_config=credential if cloud else {},
            packages=self.driver.operating_system.packages,
            programs_directory=self.driver.operating_system.programs_directory,
        )

    def with_nodes(self, nodes: Sequence[NodeSpec]) -> Case:
        return replace(self, nodes=nodes)

    def with_labels(self, **labels: str) -> Case:
        return replace(self, cluster=replace(self.cluster, labels={**self.cluster.labels, **labels}))

    def with_cluster(self, **fields: Any) -> Case:
        return replace(self, cluster=replace(self.cluster, **fields))

    def joined(self, *indexes: int) -> Case:
        """The same cluster with these nodes (by position in `nodes`) joined and their facts reported."""
        nodes = [replace(node, state=JOINED) if i in indexes else node for i, node in enumerate(self.nodes)]
        facts = {
            node.uuid: {name: f"{name}-of-{node.name}" for name in self.engine.facts}
            for node in nodes
            if node.has_joined
        }
        return replace(self, nodes=nodes, facts=facts)

    def all_joined(self) -> Case:
        return self.joined(*range(len(self.nodes)))

    def bootstraps(self) -> list[tuple[NodeSpec, Bootstrap]]:
        """All bootstraps, in an order in which nodes can join; fails if a node never gets one."""
        done: list[tuple[NodeSpec, Bootstrap]] = []
        case = self
        while len(done) < len(self.nodes):
            before = len(done)
            for place, node in enumerate(case.nodes):
                if node.has_joined:
                    continue
                found = case.engine.bootstrap(case.context(node))
                if isinstance(found, Bootstrap):
                    done.append((node, found))
                    case = case.joined(*(i for i, each in enumerate(case.nodes) if each.has_joined), place)
            assert len(done) > before, "all remaining nodes wait for another node"
        return done


def make_case(driver: Driver, mode: str = "port", *, masters: int | None = None, workers: int = 2) -> Case:
    """Create a sample cluster of a driver, with one master in mode `port`, otherwise three."""
    many, balancer = MODES[mode]
    count = masters or (3 if many else 1)
    cluster = ClusterSpec(
        uuid=uuid(1),
        name="Team A's k8s",
        project_id="p1",
        coe=driver.engine.coes[0],
        os_distro=driver.operating_system.distros[0],
        server_type=driver.hardware.server_types[0],
        labels={spec.name: spec.example for spec in driver.engine.labels() if spec.example},
        external_network_id="id-of-public",
        dns_nameservers=("9.9.9.9",),
        network_driver=next(iter(driver.engine.network_drivers), None),
        floating_ip_enabled=False,
        master_lb_enabled=many,
        load_balancer=balancer,
        ssh_public_key="ssh-ed25519 AAAA somebody",
    )
    if getattr(driver.hardware, "existing_network", False):
        cluster = replace(
            cluster, fixed_network_id="id-of-network", fixed_subnet_id="id-of-subnet", fixed_subnet_cidr="10.0.0.0/20"
        )
    axes = {"operating_system": driver.operating_system.name, "hardware": driver.hardware.name}
    sizes = Sizes(count, workers, "m1", "m1")
    groups = [
        NodegroupSpec(uuid(2 + place), each.name, each.role, "m1", "ubuntu", each.node_count, **axes)  # type: ignore[arg-type]
        for place, each in enumerate(driver.engine.default_nodegroups(sizes))
    ]
    nodes = [
        NodeSpec(
            uuid=uuid(100 + 1000 * place + index),
            name=f"k8s-{group.role}-{index}",
            role=group.role,
            index=index,
            shard=0,
            nodegroup_id=group.uuid,
            ip_address=f"10.0.{place}.{10 + index % 200}",
        )
        for place, group in enumerate(groups)
        for index in range(group.node_count)
    ]
    return Case(driver, cluster, groups[0], groups[1], nodes, groups[2:])
