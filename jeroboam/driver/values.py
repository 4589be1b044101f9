"""The plain values that a driver reads: a cluster, its nodegroups, nodes and secrets.

Rule: values are frozen and contain IDs instead of names, so that a driver's results depend only on its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# Magnum's role of the nodes that store a cluster's state. The API counts nodes by it, so every engine uses this name;
# engines define all other roles.
MASTER = "master"
WORKER = "worker"
# The role of machines outside the cluster that serve what the others need to join. They are not counted as nodes of the
# cluster in Magnum's API, and only the engine itself can have a nodegroup of this role.
BOOTSTRAP = "bootstrap"

JOINED = "joined"
FAILED = "failed"
REMOVING = "removing"


class SecretKind(StrEnum):
    """The kinds of secrets that Jeroboam generates for an engine and stores encrypted."""

    CA = "ca"  # a certificate authority: certificate and private key
    KEY_PAIR = "key_pair"  # a key pair without a certificate: public key and private key, both PEM
    BOOTSTRAP_TOKEN = "bootstrap_token"  # noqa: S105 - a random text of the form `[a-z0-9]{6}.[a-z0-9]{16}`


class KeyAlgorithm(StrEnum):
    """Algorithms of the keys of authorities and key pairs. An RSA key takes 1,000 times as much CPU time to make."""

    ECDSA_P256 = "ecdsa-p256"
    RSA_2048 = "rsa-2048"


class EndpointMode(StrEnum):
    """How clients reach the masters."""

    LOAD_BALANCER = "octavia"  # an Octavia load balancer
    VIRTUAL_IP = "vip"  # an address that the masters share by VRRP
    PORT = "port"  # the port of the single master, whose address is kept if the machine is replaced


@dataclass(frozen=True, slots=True)
class Secret:
    """A decrypted secret of a cluster.

    `certificate` is public PEM: certificates or public keys. During a rotation there are several, all of which are
    accepted; the first one belongs to the private key in `secret`.
    """

    certificate: str | None
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodegroupSpec:
    """A nodegroup. `docker_volume_size` in GiB; `operating_system` and `hardware` are names of drivers."""

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
    operating_system: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A machine of a cluster. `index` is its number in the nodegroup, `shard` the number of its stack.

    `lost` is whether the cloud says that its machine does not exist any more, or is in error.
    """

    uuid: str
    name: str
    role: str
    index: int
    shard: int
    nodegroup_id: str
    state: str = "planned"
    ip_address: str | None = None
    floating_ip: str | None = None
    lost: bool = False

    @property
    def is_master(self) -> bool:
        return self.role == MASTER

    @property
    def has_joined(self) -> bool:
        return self.state == JOINED


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster as resolved at the time of the request (stored in `clusters.spec`).

    Network IDs are None if Jeroboam creates the network. `load_balancer` is whether the cloud has Octavia.
    `apiserver_port` is None if the template does not define the port.
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
    network_driver: str | None = None
    volume_driver: str | None = None
    apiserver_port: int | None = None
    floating_ip_enabled: bool = True
    master_lb_enabled: bool = False
    load_balancer: bool = False
    ssh_public_key: str | None = None
    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None
    insecure_registry: str | None = None
    port_security: bool = True  # whether ports of the fixed network can have security groups
    cni_manifest_url: str | None = None  # set by the operator, for a network driver that the engine does not include

    @property
    def endpoint_mode(self) -> EndpointMode:
        if not self.master_lb_enabled:
            return EndpointMode.PORT
        return EndpointMode.LOAD_BALANCER if self.load_balancer else EndpointMode.VIRTUAL_IP


def masters(nodes: Sequence[NodeSpec]) -> list[NodeSpec]:
    """The masters among `nodes`, in the order of their numbers."""
    return sorted((node for node in nodes if node.is_master), key=lambda node: node.index)


def helping_master(node: NodeSpec, nodes: Sequence[NodeSpec]) -> str:
    """The UUID of the master that acts on a node: if possible another one, because the node's own API may be down."""
    joined = [each.uuid for each in joined_masters(nodes)]
    others = [uuid for uuid in joined if uuid != node.uuid]
    return (others or joined or [node.uuid])[0]


def joined_masters(nodes: Sequence[NodeSpec]) -> list[NodeSpec]:
    """The masters that have joined, in the order of their numbers."""
    return [node for node in masters(nodes) if node.has_joined]
