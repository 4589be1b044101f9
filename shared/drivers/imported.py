"""The driver of clusters that Magnum made and `jeroboam import-magnum` took over.

Rule: such a cluster can be shown, its certificates signed, a client configured for it, and it can be deleted; nothing
else. Its nodes run no agent of ours and its stack is Magnum's own, so whatever needs either is refused when it is
asked for. No cluster is ever created with this driver: it takes no distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.domain.errors import PermanentError
from shared.domain.states import OperationKind
from shared.drivers.base import ClientConfig, ClusterSpec, NodegroupSpec, Secret, SecretKind
from shared.drivers.kubernetes.driver import KubernetesUbuntuDriver

IMPORTED = "magnum-imported"


class MagnumImportedDriver(KubernetesUbuntuDriver):
    """What Kubernetes clusters have in common is the Kubernetes driver's; see there for each method."""

    name = IMPORTED
    os_distros: Sequence[str] = ()
    secrets: Mapping[str, SecretKind] = {
        "kubernetes": SecretKind.CA,
        "etcd": SecretKind.CA,
        "front_proxy": SecretKind.CA,
    }
    operations: frozenset[OperationKind] = frozenset()

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return ["clusters are imported with this driver, not created"]

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        return ()

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return ["the cluster was imported from Magnum; make a new one and move what runs in it"]

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
        if cluster.coe != self.coe:
            raise PermanentError(f"no client configuration is made for an imported cluster of {cluster.coe}")
        return super().client_config(
            cluster, api_address=api_address, secrets=secrets, user=user, groups=groups, lifetime=lifetime
        )


driver = MagnumImportedDriver()
