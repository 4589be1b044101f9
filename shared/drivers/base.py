"""The words of the contract between the services and a driver: what one is told, and what it answers.

Rule: plain values, frozen. What a driver must do with them is `shared.drivers.driver`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

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

    `nodes` are the uuids it is about. Where one of them could not be emptied, the command has a result
    `not_drained.<node name>`, which is why.
    """

    action: NodeAction
    nodes: tuple[str, ...]
