"""The contract of an engine: Kubernetes, Docker Swarm, Mesos, or one that a package brings.

Rule: an engine is made of pure functions. It reads plain values and returns values, scripts and texts; it does no
I/O. Stacks hold infrastructure only, so everything about a cluster's life is here and can be fixed after the cluster
was created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from jeroboam.driver.answers import (
    Access,
    Bootstrap,
    BootstrapContext,
    Capability,
    ClientConfig,
    DefaultNodegroup,
    Drain,
    Fact,
    FieldProblem,
    Impossible,
    NodeAction,
    NodeCertificate,
    NotYet,
    Sizes,
)
from jeroboam.driver.hardware import Hardware
from jeroboam.driver.infrastructure import Infrastructure
from jeroboam.driver.operating_system import OperatingSystem
from jeroboam.driver.values import ClusterSpec, NodegroupSpec, NodeSpec, Secret, SecretKind


class Engine(Protocol):
    """One engine. Found by entry point in the group `jeroboam.engines`; `EngineDefaults` has most of the answers.

    Attributes:
        name: unique, lower case.
        coes: the values of Magnum's `coe` it handles.
        secrets: what Jeroboam generates for each cluster: name -> kind.
        authorities: Magnum's `ca_cert_type` -> name of a secret of kind CA; the first is used when no type is given.
        facts: the facts that its nodes may report: name -> declaration.
        capabilities: what it can do to a cluster besides creating and deleting it; anything else is refused.
        network_drivers: the values of a template's `network_driver` it takes, the default first; empty for any.
        volume_drivers: the values of a template's `volume_driver` it takes.
        adopted: whether its clusters were created by another system, whose stacks are known by their ids only.
    """

    name: str
    coes: Sequence[str]
    secrets: Mapping[str, SecretKind]
    authorities: Mapping[str, str]
    facts: Mapping[str, Fact]
    capabilities: frozenset[Capability]
    network_drivers: Sequence[str]
    volume_drivers: Sequence[str]
    adopted: bool

    # The request

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        """Whether its nodes can have this operating system on this hardware."""
        ...

    def master_count_problem(self, count: int) -> str | None:
        """Why a cluster cannot have this number of masters, as a sentence; None when it can."""
        ...

    def default_nodegroups(self, sizes: Sizes) -> Sequence[DefaultNodegroup]:
        """The nodegroups that a cluster starts with, masters first."""
        ...

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        """Everything wrong with the labels and the shape asked for, in sentences for the user; empty when fine."""
        ...

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        """What is wrong with a nodegroup's `node_labels` and `node_taints`."""
        ...

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        """What the cluster needs of the network."""
        ...

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        """Roles of the application credential the cluster's add-ons need; empty when none needs OpenStack."""
        ...

    # Joining

    def founder(self, nodes: Sequence[NodeSpec]) -> NodeSpec | None:
        """The node that all others wait for: without it no node can join. None once others can join without it."""
        ...

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        """What one node does to join, or why it has to wait."""
        ...

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        """The certificate a node gets for a key of its own; None where the engine has none."""
        ...

    # What users see

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """The cluster's `api_address`, e.g. `https://203.0.113.7:6443`."""
        ...

    def version(self, cluster: ClusterSpec) -> str:
        """The version of the engine this cluster runs."""
        ...

    def container_version(self, cluster: ClusterSpec) -> str | None:
        """The version of the container runtime, where the engine pins one."""
        ...

    def client_config(
        self,
        cluster: ClusterSpec,
        *,
        api_address: str,
        secrets: Mapping[str, Secret],
        user: str,
        access: Access,
        now: datetime,
        lifetime: timedelta,
    ) -> ClientConfig:
        """A short-lived client configuration for `user` (an id) with the rights of `access`.

        Raises:
            ValueError: no configuration can be made for this cluster; the message says why.
        """
        ...

    # Changes

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster's labels cannot become these without an upgrade; empty when they can.

        They can where a label is only read when a node is created, or not read at all.
        """
        ...

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster cannot be upgraded to a template with these labels; empty when it can."""
        ...

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The cluster's labels after an upgrade to a template with `labels`; all others stay its own."""
        ...

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """What upgrades one node that has joined, in order; each may be executed again after a failure.

        Args:
            cluster: with the labels it is to have.
            nodes: all of the cluster's.
        """
        ...

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        """What makes one node that has joined use the cluster's authorities as they are now, in order.

        A rotation calls it three times: to trust the old and the new authority, to use certificates of the new one,
        to stop trusting the old one. A secret of kind CA holds every certificate to be trusted, the signing one
        first, and the key of that one. Each action may be executed again after a failure.
        """
        ...

    def trust_refresh(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """What makes workloads reload the authorities they trust; empty where nothing has to.

        For each workload that could not be restarted, the results have an entry `not_restarted.<name>`.

        Args:
            nodes: all of the cluster's.
        """
        ...

    def credential_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        """What distributes a new application credential in the cluster.

        Args:
            nodes: all of the cluster's.
        """
        ...

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        """What is done before the machines of `leaving` are deleted.

        Args:
            leaving: nodes that are about to be deleted and whose agents have reported at least once.
            nodes: all of the cluster's.
            seconds: how long draining a node may take.
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
        """What changes a nodegroup's live nodes from the old labels and taints to those it has now.

        Args:
            nodes: all of the cluster's.
        """
        ...
