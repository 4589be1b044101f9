"""What the steps of every service are given.

Rule: a step has no state of its own; its inputs are the context, the operation, the rows and the cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.cloud.contract import Cloud, CloudFactory
from shared.cloud.stack_list import StackList
from shared.db.engine import Database
from shared.operations.cluster_state import ClusterState, load_cluster
from shared.operations.plan import OperationView
from shared.pki.sealing import Sealer
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class StepContext:
    settings: Settings
    database: Database
    clouds: CloudFactory
    stacks: StackList
    sealer: Sealer

    def cloud(self, operation: OperationView) -> Cloud:
        """The cloud of the operation's project, as Jeroboam's own user."""
        return self.clouds.for_project(operation.project_id)

    async def cluster(self, operation: OperationView) -> ClusterState:
        return await load_cluster(self.database, operation.cluster_id)
