"""Looks at single servers in Nova as soon as a notification about them has arrived.

Rule: this only makes things known sooner. Whatever is left out here (a look that fails, one too many, a process that
dies) is found by the look that was stored with the notification. A few tasks look at a cluster's servers and take those
that came in the meantime together; a flood of notifications about a cluster costs a few looks a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select

from services.monitor.unbuilt import record_unbuilt
from shared.cloud.contract import CloudFactory
from shared.db.engine import Database
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.server_look import look_at_servers
from shared.pki.sealing import Sealer
from shared.telemetry.metrics import NOTIFICATION_LAG
from shared.telemetry.sparse import SparseLog

log = structlog.get_logger(__name__)
# Nova may tell of a change before a request shows it.
AGAIN_AFTER = (0.05, 0.15, 0.4)
# Looks at one cluster: some at once, then so many a second.
BURST = 60.0
RATE = 5.0
_AT_ONCE = 8
_AT_ONCE_IN_CLUSTER = 3
_MOST_TASKS = 1000


@dataclass(frozen=True, slots=True)
class _Asked:
    """A server to look at: when that was asked for, and how often it may be looked at again if nothing is found."""

    since: float
    tries: int


@dataclass(slots=True)
class _Pending:
    """The servers of a cluster that are to be looked at, by their IDs, and how many tasks do so."""

    project_id: str
    asked: dict[str, _Asked] = field(default_factory=dict)
    tasks: int = 0


class QuickLooks:
    """Args:
    database: holds the clusters.
    clouds: to act in their projects.
    sealer: opens the seeds of one-time tokens.
    """

    def __init__(self, database: Database, clouds: CloudFactory, sealer: Sealer) -> None:
        self._database = database
        self._clouds = clouds
        self._sealer = sealer
        self._pending: dict[str, _Pending] = {}
        self._unbuilt: set[str] = set()
        self._budget = _Budget()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sparse = SparseLog(log)

    def look(self, project_id: str, cluster_id: str, server_id: str, *, fatal: bool) -> None:
        """Look at the server of a node.

        Args:
            fatal: whether its node is expected to fail; if Nova does not show why, it is looked at again.
        """
        self._ask_for(project_id, cluster_id, server_id, _Asked(time.monotonic(), len(AGAIN_AFTER) if fatal else 0))

    def look_at_unbuilt(self, project_id: str, server_id: str) -> None:
        """Look at a server that failed to be built, which may be meant for a node."""
        if server_id in self._unbuilt or not self._budget.takes(project_id):
            return
        if len(self._tasks) >= _MOST_TASKS:
            self._sparse.warning("quick_looks.too_many")
            return
        self._unbuilt.add(server_id)
        self._start(self._look_at_unbuilt(project_id, server_id))

    async def close(self) -> None:
        """End all looks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="quick look")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ask_for(self, project_id: str, cluster_id: str, server_id: str, asked: _Asked) -> None:
        if len(self._tasks) >= _MOST_TASKS:
            self._sparse.warning("quick_looks.too_many")
            return
        pending = self._pending.setdefault(cluster_id, _Pending(project_id))
        if pending.tasks < _AT_ONCE_IN_CLUSTER:
            pending.tasks += 1
            self._start(self._look(cluster_id, pending))
        before = pending.asked.get(server_id, asked)
        pending.asked[server_id] = _Asked(min(before.since, asked.since), max(before.tries, asked.tries))

    async def _look(self, cluster_id: str, pending: _Pending) -> None:
        try:
            while pending.asked and self._budget.takes(cluster_id):
                asked, pending.asked = pending.asked, {}
                async with self._slots:
                    await look_at_servers(
                        self._database, self._sealer, self._clouds, pending.project_id, [cluster_id], only=asked.keys()
                    )
                NOTIFICATION_LAG.observe(time.monotonic() - min(each.since for each in asked.values()))
                for server_id in await self._still_well([key for key, each in asked.items() if each.tries]):
                    self._start(self._later(pending.project_id, cluster_id, server_id, asked[server_id]))
        except Exception as error:
            self._sparse.warning("quick_look.later", cluster=cluster_id, error=str(error))
        finally:
            pending.tasks -= 1
            if not pending.tasks:
                self._pending.pop(cluster_id, None)

    async def _still_well(self, server_ids: Sequence[str]) -> Sequence[str]:
        """Those of these servers whose nodes have not lost their machines, as far as is known."""
        if not server_ids:
            return []
        wanted = select(Node.server_id).where(
            Node.server_id.in_(server_ids), Node.loss.is_(None), Node.state != NodeState.REMOVING
        )
        async with self._database.transaction() as session:
            return [server_id for server_id in await session.scalars(wanted) if server_id is not None]

    async def _later(self, project_id: str, cluster_id: str, server_id: str, asked: _Asked) -> None:
        await asyncio.sleep(AGAIN_AFTER[-asked.tries])
        self._ask_for(project_id, cluster_id, server_id, _Asked(time.monotonic(), asked.tries - 1))

    async def _look_at_unbuilt(self, project_id: str, server_id: str) -> None:
        try:
            for pause in (0.0, *AGAIN_AFTER):
                await asyncio.sleep(pause)
                async with self._slots:
                    server = await self._clouds.for_project(project_id).find_server(server_id)
                    if server is None or await record_unbuilt(self._database, project_id, server):
                        break
        except Exception as error:
            self._sparse.warning("quick_look.later", server=server_id, error=str(error))
        finally:
            self._unbuilt.discard(server_id)


class _Budget:
    """How many looks a cluster (or a project) may cost: BURST, refilled by RATE a second."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def takes(self, key: str) -> bool:
        """Take one if there is one."""
        now = time.monotonic()
        if len(self._left) > 2 * _MOST_TASKS:
            full = now - BURST / RATE
            self._left = {key: kept for key, kept in self._left.items() if kept[1] > full}
        left, since = self._left.get(key, (BURST, now))
        left = min(BURST, left + (now - since) * RATE)
        self._left[key] = (max(0.0, left - 1), now)
        return left >= 1
