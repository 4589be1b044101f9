"""The contract of an engine: Kubernetes, Docker Swarm, Mesos, or one that a package provides.

Rule: an engine consists of pure functions. It reads plain values and returns values, scripts and texts; it does no I/O.
Stacks contain infrastructure only, so the lifecycle of a cluster is defined here and can be fixed after the cluster was
created.
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
from jeroboam.driver.health import ClusterHealth, NodeHealth
from jeroboam.driver.infrastructure import Infrastructure
from jeroboam.driver.label_specs import LabelSpec
from jeroboam.driver.operating_system import OperatingSystem
from jeroboam.driver.values import ClusterSpec, KeyAlgorithm, NodegroupSpec, NodeSpec, Secret, SecretKind


class Engine(Protocol):
    """An engine, found by its entry point in the group `jeroboam.engines`. `EngineDefaults` implements most members.

    Attributes:
        name: unique, lower case.
        coes: the values of Magnum's `coe` it handles.
        secrets: what Jeroboam generates for each cluster: name -> kind. A rotation replaces authorities and key pairs.
        former_secrets: name of a secret that clusters of earlier versions do not have -> the one whose value they use
            instead.
        authorities: Magnum's `ca_cert_type` -> name of a secret of kind CA; the first is used when no type is given.
        facts: the facts that its nodes can report: name -> declaration.
        version_fact: the fact that is a node's version of the engine, if nodes report it; otherwise it is `version`.
        capabilities: the operations it supports besides create and delete; all others are rejected.
        network_drivers: the accepted values of a template's `network_driver`, the default first; empty for any.
        volume_drivers: the accepted values of a template's `volume_driver`.
        release_labels: labels whose defaults change from one release of the engine's code to the next, such as its
            version; a cluster keeps those that it was created with.
        resizes_masters: whether masters can be added, removed and replaced after the cluster was created.
        replaces_masters: whether an upgrade to another image can replace masters: one more joins, then another leaves;
            `drain` then removes what the leaving one stores for the cluster.
        adopted: whether its clusters were created by another system, whose stacks are known only by their IDs.
        beta: whether it is only used where the operator's setting names it; an operating system or a kind of hardware
            may have this attribute as well.
    """

    name: str
    coes: Sequence[str]
    secrets: Mapping[str, SecretKind]
    former_secrets: Mapping[str, str]
    authorities: Mapping[str, str]
    facts: Mapping[str, Fact]
    version_fact: str | None
    capabilities: frozenset[Capability]
    network_drivers: Sequence[str]
    volume_drivers: Sequence[str]
    release_labels: Mapping[str, str]
    resizes_masters: bool
    replaces_masters: bool
    adopted: bool
    beta: bool

    # The request

    def labels(self) -> Sequence[LabelSpec]:
        """All labels that it reads, those of the infrastructure included."""
        ...

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        """Whether its nodes can run this operating system on this hardware."""
        ...

    def master_count_problem(self, count: int) -> str | None:
        """Why a cluster cannot have this number of masters, as a sentence; None if it can."""
        ...

    def default_nodegroups(self, sizes: Sizes) -> Sequence[DefaultNodegroup]:
        """The nodegroups that a cluster is created with, masters first."""
        ...

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        """All problems with the requested labels and sizes, as sentences for the user."""
        ...

    def node_label_problems(
        self, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]]
    ) -> Sequence[FieldProblem]:
        """Problems with a nodegroup's `node_labels` and `node_taints`."""
        ...

    def infrastructure(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> Infrastructure:
        """The network resources that the cluster needs."""
        ...

    def key_algorithm(self, cluster: ClusterSpec) -> KeyAlgorithm:
        """The algorithm of new keys of authorities and key pairs: when the cluster is created, and in a rotation."""
        ...

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        """Roles of the application credential that the cluster's add-ons need; empty if none uses OpenStack."""
        ...

    # Joining

    def founder(self, nodes: Sequence[NodeSpec]) -> NodeSpec | None:
        """The node that must join before all others, a master or of the role BOOTSTRAP; None once others can join
        without it.

        Args:
            nodes: all nodes of these two roles.
        """
        ...

    def bootstrap(self, context: BootstrapContext) -> Bootstrap | NotYet:
        """The files and script with which one node joins, or why it has to wait."""
        ...

    def node_certificate(self, cluster: ClusterSpec, node: NodeSpec) -> NodeCertificate | None:
        """The certificate of a node for its own key; None if the engine uses none."""
        ...

    def settling(
        self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec], nodes: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        """The actions after all new nodes have joined, such as setting what a node cannot set itself, in order.

        They are executed after every create, resize and change of nodegroups, and can be repeated.

        Args:
            nodes: all nodes of the cluster.
        """
        ...

    # What users see

    def api_url(self, cluster: ClusterSpec, base_outputs: Mapping[str, Any]) -> str:
        """The cluster's `api_address`, e.g. `https://203.0.113.7:6443`."""
        ...

    def version(self, cluster: ClusterSpec) -> str:
        """The version of the engine that this cluster runs."""
        ...

    def container_version(self, cluster: ClusterSpec) -> str | None:
        """The version of the container runtime, if the engine defines one."""
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
        """A short-lived client configuration for `user` (an ID) with the rights of `access`.

        Raises:
            ValueError: no configuration is available for this cluster; the message contains the reason.
        """
        ...

    def health(self, cluster: ClusterSpec, nodes: Sequence[NodeHealth]) -> ClusterHealth:
        """The cluster's `health_status` and `health_status_reason`.

        Args:
            nodes: the nodes that have joined or failed, in the order of their nodegroups and numbers; never empty.
        """
        ...

    # Changes

    def label_change_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster's labels cannot be changed to these without an upgrade; empty if they can.

        A label can be changed if it is read only when a node is created, or not at all.
        """
        ...

    def upgrades_in_place(self, operating_system: OperatingSystem) -> bool:
        """Whether nodes with this operating system are upgraded without replacing their machines."""
        ...

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        """Why the cluster cannot be upgraded to a template with these labels; empty if it can."""
        ...

    def upgraded_labels(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The cluster's labels after an upgrade to a template with `labels`; all other labels are unchanged."""
        ...

    def upgrade_actions(self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """The actions that upgrade one joined node, in order. Each can be executed again after a failure.

        Args:
            cluster: with the labels after the upgrade.
            nodes: all nodes of the cluster.
        """
        ...

    def rolling_order(self, nodes: Sequence[NodeSpec], facts: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
        """The UUIDs of nodes in the order in which they are upgraded or restarted. It may change in between.

        Args:
            nodes: the masters, or the other nodes, that have joined.
            facts: node UUID -> name -> value, of all nodes that have reported facts.
        """
        ...

    def add_on_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        """The actions that bring what runs in the cluster besides its nodes to the cluster's labels; empty if none.

        They run after an upgrade of all nodes, when the labels are those after the upgrade. Each can be executed at any
        time, and changes nothing if nothing has to change.

        Args:
            nodes: all nodes of the cluster.
        """
        ...

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        """The actions that make one joined node use the cluster's current certificate authorities, in order.

        A rotation calls it three times: to trust the old and the new authority, to use certificates of the new one,
        and to stop trusting the old one. A secret of kind CA contains all trusted certificates, the signing one first,
        and the key of the signing one. Each action can be executed again after a failure.
        """
        ...

    def trust_refresh(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """The actions that make workloads reload the authorities that they trust; empty if none needs to.

        For each workload that could not be restarted, the results contain `not_restarted.<name>`.

        Args:
            nodes: all nodes of the cluster.
        """
        ...

    def credential_actions(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction] | Impossible:
        """The actions that distribute a new application credential in the cluster.

        Args:
            nodes: all nodes of the cluster.
        """
        ...

    def drain(
        self, cluster: ClusterSpec, leaving: Sequence[NodeSpec], nodes: Sequence[NodeSpec], *, seconds: int
    ) -> Drain:
        """The commands that are run before the machines of `leaving` are deleted.

        Args:
            leaving: nodes that are about to be deleted and whose agents have reported at least once. The machine of
                one that is `lost` does not run any more.
            nodes: all nodes of the cluster.
            seconds: timeout for draining a node.
        """
        ...

    def master_change(self, nodes: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """The actions, in order, after another master has joined and before one leaves: masters learn of each other.

        Each can be executed again at any time.

        Args:
            nodes: all nodes of the cluster.
        """
        ...

    def forget(
        self, cluster: ClusterSpec, node: NodeSpec, nodes: Sequence[NodeSpec], *, seconds: int
    ) -> NodeAction | Impossible | None:
        """The command that removes a node whose machine has lost its disk, so that the machine can join again.

        None if the engine accepts it without; Impossible if it cannot join again under its name.

        Args:
            node: its agent will report again as if the machine were new.
            nodes: all nodes of the cluster.
            seconds: timeout.
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
        """The actions, in order, that change a nodegroup's joined nodes from the old labels and taints to the new ones.

        Args:
            nodes: all nodes of the cluster.
        """
        ...
