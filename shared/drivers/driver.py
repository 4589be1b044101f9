"""The contract of a driver: the code for one (COE, distribution, server type).

Rule: a driver is made of pure functions. It reads plain values, returns templates, scripts and texts, and does no
I/O; what it needs from outside is handed to it. Stacks hold infrastructure only, so everything about a cluster's
life is in here and can be mended after the cluster was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from shared.domain.states import OperationKind
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

    def upgrade_actions(
        self, cluster: ClusterSpec, node: NodeSpec, masters: Sequence[NodeSpec]
    ) -> Sequence[NodeAction]:
        """What upgrades one node that has joined, in order; each may be carried out again after a failure.

        Args:
            cluster: with the labels it is to have.
            masters: all of the cluster's.
        """
        ...

    def certificate_actions(self, node: NodeSpec) -> Sequence[NodeAction]:
        """What brings one node that has joined to the cluster's authorities as they are now, in order.

        Between an authority and its successor that is done three times: to trust both, to be certified by the new one,
        to forget the old one. A secret of kind CA holds every certificate to be trusted, the one that signs first, and
        the key of that one. Each action may be carried out again after a failure.
        """
        ...

    def trust_refresh(self, masters: Sequence[NodeSpec]) -> Sequence[NodeAction]:
        """What makes all that runs in the cluster read anew which authorities it trusts; empty where nothing must.

        Where something did not take part, the command has a result `not_restarted.<kind/name>`, which is why.

        Args:
            masters: all of the cluster's.
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
