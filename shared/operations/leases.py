"""Claims operations, and writes to them only while the claim is valid.

Rule: a claim is a new token; every later write checks it and raises LostLease if it no longer matches. The lease is
renewed while a step runs and released when the operation waits, so a waiting operation holds no lease.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.cloud.fence import Fence, ticks
from shared.db.engine import Database
from shared.db.models import Operation
from shared.domain.errors import LostLease
from shared.domain.ids import new_id
from shared.operations.locks import lock_cluster
from shared.telemetry.metrics import LEASES_LOST

# The two branches match the two partial indexes: operations that are due, and operations whose lease has expired.
_CLAIM = text("""
WITH due AS (
    SELECT uuid FROM operations
    WHERE state IN ('queued', 'waiting') AND next_attempt_at <= now() AND kind = ANY(:kinds)
    ORDER BY next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED
), abandoned AS (
    SELECT uuid FROM operations
    WHERE state = 'running' AND lease_until < now() AND kind = ANY(:kinds)
    ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED
), ready AS (
    SELECT uuid FROM abandoned UNION ALL SELECT uuid FROM due
)
UPDATE operations o SET state = 'running', lease_token = :token,
    lease_until = now() + make_interval(secs => :seconds)
FROM (SELECT uuid FROM ready LIMIT :limit) picked WHERE o.uuid = picked.uuid
RETURNING o.uuid, o.cluster_id, o.trace
""")

_RENEW = text("""
UPDATE operations SET lease_until = now() + make_interval(secs => :seconds)
WHERE uuid = :uuid AND lease_token = :token RETURNING cancel_requested
""")

_RELEASE = text("""
UPDATE operations SET state = 'waiting', lease_token = NULL, lease_until = NULL, next_attempt_at = now()
WHERE uuid = ANY(:uuids) AND lease_token = ANY(:tokens)
""")

_NEXT_DUE = text("""
SELECT extract(epoch FROM min(moment) - now())::float8 FROM (
    SELECT min(next_attempt_at) AS moment FROM operations WHERE state IN ('queued', 'waiting') AND kind = ANY(:kinds)
    UNION ALL
    SELECT min(lease_until) FROM operations WHERE state = 'running' AND kind = ANY(:kinds)
) moments
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one operation until the lease expires; `fence` limits writes to the cloud to that time.

    `trace` is the `traceparent` of the request that asked for it; the version before recorded none.
    """

    operation_id: str
    cluster_id: str
    token: str
    fence: Fence
    trace: str | None = None


class Leases:
    """Args:
    database: where operations are.
    kinds: the operation kinds this service works on.
    seconds: the length of a lease.
    """

    def __init__(self, database: Database, kinds: Sequence[str], *, seconds: float) -> None:
        self._database = database
        self._kinds = list(kinds)
        self.seconds = seconds

    async def claim(self, limit: int) -> list[Claim]:
        """Claim up to `limit` operations that are due or abandoned."""
        token, began = new_id(), ticks()
        async with self._database.transaction() as session:
            rows = await session.execute(
                _CLAIM, {"kinds": self._kinds, "limit": limit, "token": token, "seconds": self.seconds}
            )
            return [
                Claim(row.uuid, row.cluster_id, token, Fence(row.uuid, self.seconds, began), row.trace) for row in rows
            ]

    async def renew(self, claim: Claim) -> bool:
        """Extend the lease. Returns whether a cancellation was requested. Raises LostLease."""
        began = ticks()
        async with self._database.transaction() as session:
            row = (
                await session.execute(
                    _RENEW, {"uuid": claim.operation_id, "token": claim.token, "seconds": self.seconds}
                )
            ).first()
        if row is None:
            LEASES_LOST.inc()
            raise LostLease(claim.operation_id)
        claim.fence.renewed(began)
        return bool(row.cancel_requested)

    async def release(self, claims: Sequence[Claim]) -> None:
        """Release operations immediately (at shutdown), instead of letting their leases expire."""
        if not claims:
            return
        async with self._database.transaction() as session:
            await session.execute(
                _RELEASE,
                {"uuids": [claim.operation_id for claim in claims], "tokens": [claim.token for claim in claims]},
            )

    async def seconds_to_next(self) -> float | None:
        """Seconds until the next operation is due (may be negative); None if there is none."""
        async with self._database.transaction() as session:
            value: float | None = await session.scalar(_NEXT_DUE, {"kinds": self._kinds})
            return value

    @asynccontextmanager
    async def fenced(self, claim: Claim) -> AsyncIterator[tuple[AsyncSession, Operation]]:
        """A transaction that locks cluster and operation. Raises LostLease if the claim is no longer valid."""
        async with self._database.transaction() as session:
            await lock_cluster(session, claim.cluster_id)
            operation = (
                await session.execute(select(Operation).where(Operation.uuid == claim.operation_id).with_for_update())
            ).scalar_one_or_none()
            if operation is None or operation.lease_token != claim.token:
                LEASES_LOST.inc()
                raise LostLease(claim.operation_id)
            yield session, operation
