"""Which nodes and nodegroups a failed operation is about.

Rule: a nodegroup is blamed for its own nodes only. One whose nodes have all joined is complete, whatever became of the
others; one that was not finished because another failed says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models import Node, Nodegroup, Operation
from shared.domain.kinds import OperationKind
from shared.domain.states import NodeState, Outcome, nodegroup_status

_NAMED = 5
_LONGEST_REASON = 1000
_UNJOINED = Node.state.not_in([NodeState.JOINED, NodeState.REMOVING])


async def missing_nodes(session: AsyncSession, operation: Operation) -> str:
    """The nodes that have not joined, as the end of a reason: at most five names, then a count; empty without any."""
    if not _brings_nodes(operation):
        return ""
    found = select(Node.name).where(*_concerned(operation), _UNJOINED).order_by(Node.role, Node.name)
    names = list(await session.scalars(found))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"; missing: {', '.join(names[:_NAMED])}{more}" if names else ""


async def blame_nodegroups(session: AsyncSession, operation: Operation) -> None:
    """Correct the statuses and reasons of the nodegroups concerned, which all have those of the operation that failed.

    Those with failed nodes are to blame, or, where no node has failed, those with nodes that have not joined.
    """
    if not _brings_nodes(operation):
        return
    failed = set(await session.scalars(_groups(operation, Node.state == NodeState.FAILED)))
    missing = set(await session.scalars(_groups(operation, _UNJOINED)))
    blamed = failed or missing
    if not blamed:
        return
    concerned = select(Nodegroup).where(Nodegroup.cluster_id == operation.cluster_id).order_by(Nodegroup.id)
    if operation.nodegroup_ids is not None:
        concerned = concerned.where(Nodegroup.uuid.in_(operation.nodegroup_ids))
    groups = list(await session.scalars(concerned.execution_options(populate_existing=True)))
    named = _named([group.name for group in groups if group.uuid in blamed])
    others = f"not finished, because of {named}: {(operation.reason or '')[:_LONGEST_REASON]}"
    for group in groups:
        if group.uuid in blamed:
            continue
        if group.uuid in missing:
            group.status_reason = others
        else:
            group.status = nodegroup_status(OperationKind(operation.kind), Outcome.COMPLETE)
            group.status_reason = None


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"nodegroup{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMED])}{more}"


def _brings_nodes(operation: Operation) -> bool:
    return operation.kind in (OperationKind.CREATE, OperationKind.RESIZE, OperationKind.NODEGROUP_CREATE)


def _groups(operation: Operation, condition: ColumnElement[bool]) -> Select[str]:
    return select(Node.nodegroup_id).where(*_concerned(operation), condition).distinct()


def _concerned(operation: Operation) -> list[ColumnElement[bool]]:
    conditions = [Node.cluster_id == operation.cluster_id]
    if operation.nodegroup_ids is not None:
        conditions.append(Node.nodegroup_id.in_(operation.nodegroup_ids))
    return conditions
