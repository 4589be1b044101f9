"""Facts of nodes: named outputs such as a join token, stored for the bootstraps of other nodes.

Rule: a secret fact is encrypted and bound to its node and name, like the secrets of the cluster. A newly reported value
replaces the previous one.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import Fact
from shared.db.models import Node, NodeFact
from shared.pki.sealing import Sealer


async def store_facts(
    session: AsyncSession, sealer: Sealer, node_id: str, values: Mapping[str, str], declared: Mapping[str, Fact]
) -> None:
    """Store the facts reported by a node.

    Args:
        values: name -> value; all names are in `declared`.
        declared: the facts declared by the cluster's engine.
    """

    def stored(name: str, value: str) -> bytes:
        plain = value.encode()
        return sealer.seal(plain, fact_place(node_id, name)) if declared[name].secret else plain

    rows = [
        {
            "node_id": node_id,
            "name": name,
            "value": stored(name, value),
            "sealed": declared[name].secret,
        }
        for name, value in sorted(values.items())
    ]
    if not rows:
        return
    statement = insert(NodeFact).values(rows)
    new = statement.excluded
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["node_id", "name"],
            set_={"value": new.value, "sealed": new.sealed, "updated_at": func.now()},
        )
    )


async def load_facts(session: AsyncSession, sealer: Sealer, cluster_id: str) -> dict[str, dict[str, str]]:
    """Node UUID -> name -> value, for all nodes of a cluster that reported facts; the latest report is the last one.

    Raises:
        SealingError: a fact was encrypted with a key that is no longer in the settings.
    """
    rows = await session.scalars(
        select(NodeFact)
        .join(Node, Node.uuid == NodeFact.node_id)
        .where(Node.cluster_id == cluster_id)
        .order_by(NodeFact.updated_at)
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        raw = bytes(row.value)
        plain = sealer.open(raw, fact_place(row.node_id, row.name)) if row.sealed else raw
        found[row.node_id] = {**found.pop(row.node_id, {}), row.name: plain.decode()}
    return found


def fact_place(node_id: str, name: str) -> str:
    """What a secret fact is bound to when it is encrypted."""
    return f"node {node_id} fact {name}"
