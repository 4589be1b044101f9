"""What the monitor has to do next for a cluster: look at its servers in Nova, measure its health.

Rule: each is a time in the cluster's row. Asking again before it is done writes nothing, so a burst of a thousand
reports is one look and one measure. The caller holds the cluster's lock or no lock at all.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A notification storm, or an agent that offers a used token again and again, causes one look in this time.
LOOK_AT_MOST_EVERY = 10.0
# Changes that come together are measured together.
MEASURE_WITHIN = 0.5

_LOOK = text("""
WITH due AS (
    SELECT greatest(now() + make_interval(secs => :within), looked_at + make_interval(secs => :every)) AS moment
    FROM clusters WHERE uuid = :cluster
)
UPDATE clusters SET look_at = due.moment FROM due
WHERE uuid = :cluster AND (look_at IS NULL OR look_at > due.moment)
""")
_MEASURE = text("""
UPDATE clusters SET measure_at = now() + make_interval(secs => :within)
WHERE uuid = :cluster AND (measure_at IS NULL OR measure_at > now() + make_interval(secs => :within))
""")


async def ask_for_look(session: AsyncSession, cluster_id: str, *, within: float = 0) -> None:
    """Compare the cluster's nodes with Nova, at the latest after `within` seconds or LOOK_AT_MOST_EVERY."""
    await session.execute(_LOOK, {"cluster": cluster_id, "within": within, "every": LOOK_AT_MOST_EVERY})


async def ask_for_measure(session: AsyncSession, cluster_id: str) -> None:
    """Measure the cluster's health soon, because something about a node changed."""
    await session.execute(_MEASURE, {"cluster": cluster_id, "within": MEASURE_WITHIN})
