"""Clusters that were created by Magnum and imported by `jeroboam import-magnum`.

Rule: such a cluster can be shown and deleted, and certificates and client configurations can be issued for it. Its
nodes run no agent and its stacks are Magnum's, so operations that need either are rejected. No cluster is created with
this engine: it runs on no operating system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from jeroboam.driver import (
    Access,
    Capability,
    ClientConfig,
    ClusterSpec,
    Engine,
    Hardware,
    NodegroupSpec,
    OperatingSystem,
    Secret,
    SecretKind,
)
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine

IMPORTED = "magnum-imported"


class MagnumImportedEngine(KubernetesEngine):
    """Inherits what all Kubernetes clusters have in common."""

    name = IMPORTED
    adopted = True
    secrets: Mapping[str, SecretKind] = {
        "kubernetes": SecretKind.CA,
        "etcd": SecretKind.CA,
        "front_proxy": SecretKind.CA,
    }
    capabilities: frozenset[Capability] = frozenset()

    def runs_on(self, operating_system: OperatingSystem, hardware: Hardware) -> bool:
        return False

    def problems(self, cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
        return ["clusters can only be imported with this driver, not created"]

    def credential_roles(self, cluster: ClusterSpec) -> Sequence[str]:
        return ()

    def upgrade_problems(self, cluster: ClusterSpec, labels: Mapping[str, str]) -> list[str]:
        return ["the cluster was imported from Magnum; create a new one and move its workloads"]

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
        if cluster.coe not in self.coes:
            raise ValueError(f"no client configuration is available for an imported cluster of {cluster.coe}")
        return super().client_config(
            cluster,
            api_address=api_address,
            secrets=secrets,
            user=user,
            access=access,
            now=now,
            lifetime=lifetime,
        )


engine: Engine = MagnumImportedEngine()
