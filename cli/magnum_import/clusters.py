"""Writes one cluster with its nodegroups, nodes and keys.

Rule: this runs in the caller's transaction, with an existing cluster's row locked. The first event of a cluster is that
it was imported; later runs emit no event. Once a cluster has had an operation in Jeroboam, later imports do not change
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.magnum_import.merge import KEPT, differing, merge
from cli.magnum_import.report import Outcome
from cli.magnum_import.rows import Values, node_values, nodegroup_values
from cli.magnum_import.source import SourceRow
from jeroboam.driver import Secret
from shared.db.models import Cluster, ClusterSecret, Node, Nodegroup, Operation
from shared.domain.states import OperationKind, OperationState
from shared.drivers.magnum_imported import IMPORTED
from shared.events.catalog import ClusterImported
from shared.events.log import emit
from shared.operations.locks import lock_cluster
from shared.pki.cluster_secrets import seal_secret
from shared.pki.sealing import Sealer

Result = tuple[Outcome, tuple[str, ...]]


async def write_cluster(
    session: AsyncSession,
    sealer: Sealer,
    values: Values,
    groups: Sequence[SourceRow],
    secrets: Mapping[str, Secret],
) -> Result:
    """Create or update a cluster. Returns the outcome, and the reason if the source was not applied."""
    row = await lock_cluster(session, values["uuid"])
    if row is None:
        if await _was_deleted(session, values["uuid"]):
            return Outcome.KEPT, ("it was deleted in Jeroboam after it was imported",)
        session.add(Cluster(**values, event_sequence=0))
        await session.flush()
        outcome = Outcome.CREATED
    elif row.driver != IMPORTED:
        return Outcome.REFUSED, ("a cluster that was not imported has the same UUID",)
    elif await _was_worked_on(session, row.uuid):
        return (Outcome.KEPT, (KEPT,)) if differing(row, values) else (Outcome.UNCHANGED, ())
    else:
        outcome = merge(row, values)
        if outcome is Outcome.KEPT:
            return outcome, (KEPT,)
    changed = await _write_groups(session, values, groups)
    changed = await _write_secrets(session, sealer, values["uuid"], secrets) or changed
    if outcome is Outcome.CREATED:
        await _emit_imported(session, values, groups, authority="kubernetes" in secrets)
    return (Outcome.UPDATED if changed and outcome is Outcome.UNCHANGED else outcome), ()


async def _emit_imported(
    session: AsyncSession, values: Values, groups: Sequence[SourceRow], *, authority: bool
) -> None:
    counts = [(group["role"] == "master", group["node_count"] or 0) for group in groups]
    masters = sum(count for is_master, count in counts if is_master)
    data = ClusterImported(
        cluster_name=values["name"],
        coe=values["coe"],
        status=values["status"],
        master_count=masters,
        node_count=sum(count for _, count in counts) - masters,
        stack_id=values["stack_id"],
        authority=authority,
    )
    await emit(session, "cluster.imported.v1", data, project_id=values["project_id"], cluster=values["uuid"])


async def _write_groups(session: AsyncSession, cluster: Values, groups: Sequence[SourceRow]) -> bool:
    """Write nodegroups and their nodes as they are in the source. Returns whether anything changed."""
    changed = False
    found = await session.scalars(select(Nodegroup).where(Nodegroup.cluster_id == cluster["uuid"]))
    present = {group.uuid: group for group in found}
    for group in groups:
        values = nodegroup_values(group, cluster)
        row = present.pop(group.uuid, None)
        if row is None:
            session.add(Nodegroup(**values))
            changed = True
        else:
            changes = differing(row, values)
            for name, value in changes.items():
                setattr(row, name, value)
            changed = changed or bool(changes)
        await session.flush()
        changed = await _write_nodes(session, cluster, values, group["node_addresses"] or []) or changed
    for gone in present.values():
        await session.delete(gone)
    return changed or bool(present)


async def _write_nodes(session: AsyncSession, cluster: Values, group: Values, addresses: Sequence[str]) -> bool:
    found = await session.scalars(select(Node).where(Node.nodegroup_id == group["uuid"]).order_by(Node.index))
    wanted = node_values(group, cluster, addresses)
    if [node.ip_address for node in found] == [node["ip_address"] for node in wanted]:
        return False
    # Only the order of the addresses identifies Magnum's nodes, so all rows are replaced.
    await session.execute(delete(Node).where(Node.nodegroup_id == group["uuid"]))
    session.add_all(Node(**values) for values in wanted)
    await session.flush()
    return True


async def _write_secrets(session: AsyncSession, sealer: Sealer, cluster_id: str, secrets: Mapping[str, Secret]) -> bool:
    changed = False
    for kind, secret in secrets.items():
        row = await session.get(ClusterSecret, (cluster_id, kind))
        if row is not None and row.certificate == secret.certificate:
            continue
        if row is None:
            row = ClusterSecret(cluster_id=cluster_id, kind=kind)
            session.add(row)
        row.certificate = secret.certificate
        row.secret = seal_secret(sealer, cluster_id, kind, secret.secret)
        changed = True
    await session.flush()
    return changed


async def _was_deleted(session: AsyncSession, cluster_id: str) -> bool:
    ended = select(func.count()).where(
        Operation.cluster_id == cluster_id,
        Operation.kind == OperationKind.DELETE,
        Operation.state == OperationState.SUCCEEDED,
    )
    return bool(await session.scalar(ended))


async def _was_worked_on(session: AsyncSession, cluster_id: str) -> bool:
    return bool(await session.scalar(select(func.count()).where(Operation.cluster_id == cluster_id)))
