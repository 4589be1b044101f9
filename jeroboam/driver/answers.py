"""The values that an engine returns: bootstraps, actions for nodes, client configurations.

Rule: values are plain and frozen. None contains a secret except `Bootstrap` (fetched by one node with its own
credential) and `ClientConfig` (returned to one user).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from jeroboam.driver.values import ClusterSpec, NodegroupSpec, NodeSpec, Secret


class Capability(StrEnum):
    """Operations on a cluster besides create and delete; the values are names of operation kinds."""

    RESIZE = "resize"
    UPGRADE = "upgrade"
    ROTATE_CA = "rotate_ca"
    ROTATE_CREDENTIALS = "rotate_credentials"
    NODEGROUP_CREATE = "nodegroup_create"
    NODEGROUP_UPDATE = "nodegroup_update"
    NODEGROUP_DELETE = "nodegroup_delete"


class Access(StrEnum):
    """The rights of a client configuration; the engine maps them to its groups or roles."""

    ADMIN = "admin"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Fact:
    """A named output of a node, such as a join token. A secret fact is encrypted at rest and never shown."""

    secret: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes and flavors of the default nodegroups in a request. Flavors are names or IDs."""

    master_count: int
    node_count: int
    flavor_id: str
    master_flavor_id: str


@dataclass(frozen=True, slots=True)
class DefaultNodegroup:
    """A nodegroup that every cluster of an engine is created with."""

    name: str
    role: str
    node_count: int
    flavor_id: str
    min_node_count: int = 0


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why a field of a request is invalid. `text` is a clause without a full stop, or complete sentences."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class BootstrapContext:
    """The input for rendering one node's bootstrap.

    Args:
        nodes: the cluster's masters, its nodes of the role BOOTSTRAP, and this node.
        base_outputs: the base stack's outputs.
        facts: node UUID -> name -> value, for nodes that have reported facts; the latest report is the last one.
        cloud_config: Keystone's URL and the application credential for add-ons; empty if there is none.
        packages: the package manager of the node's operating system, such as `apt`; None if it has none.
        programs_directory: its directory for programs, which is writable.
        authorities: PEM of the authorities that the operator has nodes trust besides those of their system.
    """

    cluster: ClusterSpec
    nodegroup: NodegroupSpec
    node: NodeSpec
    nodes: Sequence[NodeSpec]
    base_outputs: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cloud_config: Mapping[str, str] = field(default_factory=dict)
    packages: str | None = None
    programs_directory: str = "/usr/local/bin"
    authorities: str = ""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What a node's agent fetches and runs. `files`: path, content, mode (octal text); `script` is POSIX sh."""

    script: str
    files: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """The node has to wait for others; its agent retries after `retry_after` seconds."""

    reason: str
    retry_after: int = 5


@dataclass(frozen=True, slots=True)
class NodeAction:
    """A command for a node's agent. `node_id` is the node that executes it; the command can concern other nodes."""

    node_id: str
    command: str
    args: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removal:
    """A command that drains some of the leaving nodes and removes them from the engine.

    `nodes` are the UUIDs of these nodes. For each node that could not be drained, the command's results contain
    `not_drained.<node name>` with the reason; for each that the engine still lists, `not_removed.<node name>`.

    Args:
        required: the machines are kept and the operation fails if the command fails, e.g. because the cluster would
            lose its quorum. Otherwise, they are deleted even if it fails.
    """

    action: NodeAction
    nodes: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """What happens to leaving nodes before their machines are deleted. Every node is in exactly one of the attributes.

    Args:
        removals: commands to run.
        nothing_to_do: UUIDs of nodes that do not need to be drained.
        impossible: UUID -> why the node cannot be drained.
    """

    removals: Sequence[Removal] = ()
    nothing_to_do: frozenset[str] = frozenset()
    impossible: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Impossible:
    """Why something is currently impossible; the operation fails with this reason and can be retried."""

    reason: str


@dataclass(frozen=True, slots=True)
class NodeCertificate:
    """The subject and signer of a certificate for a node's own key; Jeroboam adds names and addresses.

    Args:
        authority: the name of a secret of kind CA.
        common_name: X.509 allows 64 characters; longer ones are cut.
        client, server: what the certificate authenticates the node as.
        endpoint: whether it also names the addresses of the cluster's endpoint, which the node serves.
    """

    authority: str
    common_name: str
    organizations: Sequence[str] = ()
    client: bool = True
    server: bool = True
    endpoint: bool = False


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Files and environment variables for the engine's client.

    Args:
        files: name -> content; the first one is the main one. They are written to one directory, mode 0600.
        environment: variable -> value; `{directory}` in a value stands for that directory.
        groups: the engine's groups that the user belongs to, for display.
        expires_in: the lifetime of the contained credential.
    """

    files: Mapping[str, str] = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    expires_in: timedelta = timedelta(hours=12)
