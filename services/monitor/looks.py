"""Looks at the servers of clusters in Nova, when something asked for it.

Rule: a look is claimed by moving its time into the future, so that it is repeated if this process dies or Nova does not
answer. The clusters of one project share one list of servers. A cluster with a node that does not work is looked at
again after some minutes; all others are left alone until something asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import func, or_, select, text, update

from shared.cloud.contract import CloudFactory
from shared.db.engine import Database
from shared.db.models import Cluster, Node
from shared.domain.states import Loss, NodeState
from shared.operations.server_findings import DELETED, RUNNING
from shared.operations.server_look import look_at_servers
from shared.pki.sealing import Sealer

log = structlog.get_logger(__name__)
LOOK_SECONDS = 1.0
AGAIN_AFTER = timedelta(minutes=5)
# A full look of all clusters is spread over this time for each of them, and at most over SPREAD.
SPREAD_EACH = timedelta(seconds=0.2)
SPREAD = timedelta(minutes=10)
_CLAIM_SECONDS = 120.0
_BATCH = 200
_PROJECTS_AT_ONCE = 4

_CLAIM = text("""
UPDATE clusters SET look_at = now() + make_interval(secs => :seconds), looked_at = now() WHERE uuid IN (
    SELECT uuid FROM clusters WHERE look_at <= now() ORDER BY look_at LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED)
RETURNING uuid, project_id
""")
_LOOK_AT_ALL = text("""
WITH found AS (SELECT DISTINCT cluster_id FROM nodes WHERE server_id IS NOT NULL),
window_ AS (SELECT least(CAST(:most AS interval), count(*) * CAST(:each AS interval)) AS length FROM found)
UPDATE clusters SET look_at = least(look_at, now() + random() * window_.length)
FROM window_ WHERE uuid IN (SELECT cluster_id FROM found)
""")
# Operations that wait for a stack look at Heat, which may have told of its end.
_WAKE_ALL = text("""
UPDATE operations SET next_attempt_at = now() + random() * CAST(:within AS interval)
WHERE state = 'waiting' AND next_attempt_at > now() + CAST(:within AS interval)
""")
_WAKE_WITHIN = timedelta(seconds=5)


class Looks:
    """Args:
    database: holds the clusters.
    clouds: to act in their projects.
    sealer: opens the seeds of one-time tokens.
    """

    def __init__(self, database: Database, clouds: CloudFactory, sealer: Sealer) -> None:
        self._database = database
        self._clouds = clouds
        self._sealer = sealer

    async def watch(self) -> None:
        """Look at what is due until cancelled."""
        while True:
            try:
                await self.look_due()
            except Exception as error:
                log.warning("looks.later", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look_at_all(self) -> None:
        """Have all clusters and waiting operations looked at, spread over a while: notifications may be missing."""
        async with self._database.transaction() as session:
            await session.execute(_LOOK_AT_ALL, {"most": SPREAD, "each": SPREAD_EACH})
            await session.execute(_WAKE_ALL, {"within": _WAKE_WITHIN})

    async def look_due(self) -> int:
        """Look at the clusters that are due, at most a batch; returns the number of nodes with news."""
        async with self._database.transaction() as session:
            claimed = (await session.execute(_CLAIM, {"seconds": _CLAIM_SECONDS, "batch": _BATCH})).all()
        projects: dict[str, list[str]] = {}
        for uuid, project_id in claimed:
            projects.setdefault(project_id, []).append(uuid)
        slots = asyncio.Semaphore(_PROJECTS_AT_ONCE)

        async def look(project_id: str, clusters: Sequence[str]) -> int:
            async with slots:
                return await self._look(project_id, clusters)

        return sum(await asyncio.gather(*(look(*each) for each in projects.items())))

    async def _look(self, project_id: str, clusters: Sequence[str]) -> int:
        try:
            found = await look_at_servers(self._database, self._sealer, self._clouds, project_id, clusters)
        except Exception as error:
            # The claim runs out, and the look is repeated.
            log.warning("look.later", project=project_id, error=str(error))
            return 0
        await self._finish(clusters)
        return found

    async def _finish(self, clusters: Sequence[str]) -> None:
        """Plan the next look, unless another one was asked for in the meantime."""
        troubled = select(Node.cluster_id).where(
            Node.cluster_id.in_(clusters),
            Node.state.in_([NodeState.JOINED, NodeState.FAILED]),
            # A machine that is gone does not come back, one in error may.
            or_(Node.silent, Node.loss == Loss.AGENT, Node.server_status.not_in([RUNNING, DELETED])),
            or_(Node.loss.is_(None), Node.server_status != DELETED),
        )
        async with self._database.transaction() as session:
            watched = set(await session.scalars(troubled.distinct()))
            for cluster in sorted(clusters):
                following = func.now() + AGAIN_AFTER if cluster in watched else None
                await session.execute(
                    update(Cluster)
                    .where(
                        Cluster.uuid == cluster, Cluster.look_at > func.now() + timedelta(seconds=_CLAIM_SECONDS / 2)
                    )
                    .values(look_at=following)
                )
