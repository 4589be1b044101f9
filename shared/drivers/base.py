"""The contract of a driver: the code for one (COE, distribution, server type).

Rule: a driver is made of pure functions. It reads plain values, returns templates, scripts and texts, and does no
I/O; what it needs from outside is handed to it. Stacks hold infrastructure only, so everything about a cluster's
life is in here and can be mended after the cluster was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from shared.domain.states import OperationKind

Template = dict[str, Any]


class SecretKind(StrEnum):
    """What `shared.pki` can make for a cluster when its driver asks."""

    CA = "ca"  # a certificate authority: certificate and private key
    KEY_PAIR = "key_pair"  # a bare RSA key pair: public key and private key, both PEM
    BOOTSTRAP_TOKEN = "bootstrap_token"  # noqa: S105 - kubeadm's `[a-z0-9]{6}.[a-z0-9]{16}`


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a cluster, opened. `certificate` is public PEM (certificate or public key)."""

    certificate: str | None
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodegroupSpec:
    uuid: str
    name: str
    role: str
    flavor_id: str
    image_id: str
    node_count: int
    labels: Mapping[str, str] = field(default_factory=dict)
    docker_volume_size: int | None = None
    node_labels: Mapping[str, str] = field(default_factory=dict)
    node_taints: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class NodeSpec:
    uuid: str
    name: str
    role: str
    index: int
    shard: int
    nodegroup_id: str
    state: str = "planned"
    ip_address: str | None = None
    floating_ip: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster as resolved at the time of the request: ids, never names (stored in `clusters.spec`).

    Network ids are None where Jeroboam makes the network itself. `load_balancer` says whether the cloud has Octavia.
    """

    uuid: str
    name: str
    project_id: str
    coe: str
    os_distro: str
    server_type: str
    labels: Mapping[str, str]
    external_network_id: str | None
    fixed_network_id: str | None = None
    fixed_subnet_id: str | None = None
    fixed_subnet_cidr: str | None = None
    dns_nameservers: Sequence[str] = ()
    network_driver: str = "flannel"
    volume_driver: str | None = None
    apiserver_port: int = 6443
    floating_ip_enabled: bool = True
    master_lb_enabled: bool = False
    load_balancer: bool = False
    ssh_public_key: str | None = None
    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None
    insecure_registry: str | None = None
    cni_manifest_url: str | None = None  # the operator's, for a network driver that is not built in


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What a node's agent fetches and runs. `files`: path, content, mode (octal text); `script` is POSIX sh."""

    script: str
    files: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """The node's turn has not come; ask again after `retry_after` seconds."""

    reason: str
    retry_after: int = 5


@dataclass(frozen=True, slots=True)
class BootstrapContext:
    """All a driver may know when it renders one node's bootstrap."""

    cluster: ClusterSpec
    nodegroup: NodegroupSpec
    node: NodeSpec
    nodes: Sequence[NodeSpec]
    base_outputs: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    cloud_config: Mapping[str, str] = field(default_factory=dict)  # application credential for add-ons, or empty


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """A ready file for the user's own tools: a kubeconfig, or the docker environment."""

    filename: str
    content: str = field(repr=False)
    expires_in: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class NodeAction:
    """One command for one node's agent. `node_id` is the node that carries it out, which may not be the one meant."""

    node_id: str
    command: str
    args: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removal:
    """What empties some of the nodes that go and has the engine forget them.

    `nodes` are the uuids it is about. Where one of them could not be emptied, the command's output has a line
    `not drained <node name>: <why>`.
    """

    action: NodeAction
    nodes: tuple[str, ...]


class Driver(Protocol):
    """One driver. Found by entry point in group `jeroboam.drivers`."""

    name: str
    coe: str
    os_distros: Sequence[str]
    server_types: Sequence[str]
    # name -> kind, e.g. {"kubernetes": CA, "etcd": CA, "front_proxy": CA, "service_account": KEY_PAIR}
    secrets: Mapping[str, SecretKind]
    # What it can do to a cluster beyond making and deleting it; anything else is refused when it is asked for.
    operations: frozenset[OperationKind]

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        """Everything wrong with the labels and the shape asked for, in words for the user; empty when fine."""
        ...

    def needs(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Mapping[str, int]:
        """What a cluster without problems takes from quotas beside one instance and one port a node, by quota name.

        Neutron's and Nova's names (`network`, `subnet`, `router`, `floatingip`, `security_group`, `port`, ...); the
        base stack's things and the floating IPs of nodes are counted here.
        """
        ...

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        """Roles of the application credential the cluster's add-ons need; empty when none needs OpenStack."""
        ...

    def base_stack(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Template:
        """The HOT of the base stack. Outputs at least `api_address` (an IP clients reach) and `api_private_address`."""
        ...

    def shard_stack(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        user_data: Mapping[str, str],
        base_outputs: Mapping[str, Any],
    ) -> Template:
        """The HOT of one shard: every node written out, resources `node-<index>` (server) and `port-<index>`.

        Whatever else a node has is named `<kind>-<index>` too: a shard is changed by editing the template Heat holds.

        Args:
            user_data: node uuid -> the server's user data.
            base_outputs: the base stack's outputs.

        Returns a template whose outputs are `node-<index>`: {"server_id", "ip_address", "floating_ip" (or null)}.
        Each server carries metadata `jeroboam_cluster`, `jeroboam_nodegroup`, `jeroboam_node` (uuids).
        """
        ...

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
        """Cloud-config (or Ignition) that holds the agent, the API's address and CA, and the one-time token."""
        ...

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet: ...

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """What users see as the cluster's `api_address`, e.g. `https://203.0.113.7:6443`."""
        ...

    def coe_version(self, cluster: ClusterSpec) -> str:
        """The version of the engine this cluster runs, e.g. `v1.34.1`."""
        ...

    def container_version(self, cluster: ClusterSpec) -> str | None:
        """The version of the container runtime, where the driver pins one."""
        ...

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster's labels cannot become these without an upgrade, in words; empty when they can.

        They can where a label is only read when a node is made, or not read at all.
        """
        ...

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster cannot be upgraded to a template with these labels, in words; empty when it can."""
        ...

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The cluster's labels after an upgrade to a template with `labels`; all others stay its own."""
        ...

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """What upgrades one node that has joined, in order; each may be carried out again after a failure.

        Args:
            cluster: with the labels it is to have.
            nodes: all of the cluster's.
        """
        ...

    def removals(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Sequence[Removal]:
        """What is done before nodes go, each of `leaving` at most once; nothing where no node is left to do it.

        Args:
            leaving: nodes whose agents have spoken, and which are about to be deleted.
            nodes: all of the cluster's.
            seconds: how long emptying a node may take.
        """
        ...

    def relabelling(
        self,
        cluster: ClusterSpec,
        nodegroup: NodegroupSpec,
        nodes: Sequence[NodeSpec],
        *,
        old_labels: Mapping[str, str],
        old_taints: Sequence[Mapping[str, str]],
    ) -> Sequence[NodeAction]:
        """What brings a nodegroup's live nodes from the old labels and taints to those it has now.

        Args:
            nodes: all of the cluster's.
        """
        ...

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
        """A short-lived, ready client configuration for `user` in the engine's own `groups`."""
        ...
