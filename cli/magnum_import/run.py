"""Runs an import and returns its report.

Rule: each template, cluster, quota and federation is written in its own transaction, so that a refusal or failure does
not affect the others. A dry run does the same work in one transaction that is rolled back, so its report is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.magnum_import.certificates import Certificates
from cli.magnum_import.clusters import write_cluster
from cli.magnum_import.judge import judge_cluster, judge_template
from cli.magnum_import.merge import KEPT, merge
from cli.magnum_import.report import Line, Outcome, Report
from cli.magnum_import.rows import cluster_values, federation_values, quota_values, template_values
from cli.magnum_import.source import Source, SourceRow
from shared.db.engine import Database
from shared.db.models import Cluster, ClusterTemplate, Federation, FederationMember, Quota
from shared.pki.sealing import Sealer

_Transactions = Callable[[], AbstractAsyncContextManager[AsyncSession]]


async def import_all(
    source: Source,
    database: Database,
    sealer: Sealer,
    certificates: Certificates,
    *,
    projects: Collection[str] = (),
    dry_run: bool = False,
) -> Report:
    """Import a Magnum database.

    Args:
        projects: projects to import; all if empty. Templates of other projects that their clusters use are included.
        dry_run: write nothing.
    """
    if not dry_run:
        return Report(await _Import(source, sealer, certificates, projects, database.transaction).run(), dry_run)
    async with database.transaction() as session:
        work = _Import(source, sealer, certificates, projects, lambda: _savepoint(session))
        lines = await work.run()
        await session.rollback()
    return Report(lines, dry_run)


@asynccontextmanager
async def _savepoint(session: AsyncSession) -> AsyncIterator[AsyncSession]:
    async with session.begin_nested():
        yield session


class _Import:
    def __init__(
        self,
        source: Source,
        sealer: Sealer,
        certificates: Certificates,
        projects: Collection[str],
        transaction: _Transactions,
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._certificates = certificates
        self._projects = projects
        self._transaction = transaction
        self._templates = {template.uuid: template for template in source.templates}

    async def run(self) -> list[Line]:
        clusters = [row for row in self._source.clusters if self._chosen(row)]
        needed = {row["cluster_template_id"] for row in clusters}
        templates = [row for row in self._source.templates if self._chosen(row) or row.uuid in needed]
        lines = [await self._template(row) for row in templates]
        lines += [await self._cluster(row) for row in clusters]
        lines += [await self._quota(row) for row in self._source.quotas if self._chosen(row)]
        lines += [await self._federation(row) for row in self._source.federations if self._chosen(row)]
        return lines

    def _chosen(self, row: SourceRow) -> bool:
        return not self._projects or row["project_id"] in self._projects

    async def _template(self, template: SourceRow) -> Line:
        judged = judge_template(template)
        if judged.refusals:
            return _line("template", template, Outcome.REFUSED, judged.refusals)
        values = template_values(template)
        async with self._transaction() as session:
            row = await session.scalar(
                select(ClusterTemplate).where(ClusterTemplate.uuid == template.uuid).with_for_update()
            )
            if row is None:
                session.add(ClusterTemplate(**values))
                await session.flush()
            outcome = Outcome.CREATED if row is None else merge(row, values)
        return _line("template", template, outcome, judged.notes)

    async def _cluster(self, cluster: SourceRow) -> Line:
        template = self._templates.get(cluster["cluster_template_id"])
        groups = self._source.nodegroups.get(cluster.uuid, [])
        judged = judge_cluster(cluster, template, groups)
        if judged.refusals or template is None:
            return _line("cluster", cluster, Outcome.REFUSED, judged.refusals)
        if judge_template(template).refusals:
            return _line("cluster", cluster, Outcome.REFUSED, ("its template was refused",))
        secrets, missing = await self._certificates.of_cluster(cluster)
        async with self._transaction() as session:
            values = cluster_values(cluster, template)
            outcome, why = await write_cluster(session, self._sealer, values, groups, secrets)
        if why:
            return _line("cluster", cluster, outcome, why)
        return _line("cluster", cluster, outcome, (*judged.notes, *missing), whole=not missing)

    async def _quota(self, quota: SourceRow) -> Line:
        values = quota_values(quota)
        async with self._transaction() as session:
            found = select(Quota).where(Quota.project_id == values["project_id"], Quota.resource == values["resource"])
            row = await session.scalar(found.with_for_update())
            if row is None:
                session.add(Quota(**values))
                await session.flush()
            outcome = Outcome.CREATED if row is None else merge(row, values)
        return Line("quota", values["resource"], "", values["project_id"], outcome, _why(outcome))

    async def _federation(self, federation: SourceRow) -> Line:
        members: list[str] = federation["member_ids"] or []
        named = {*members, federation["hostcluster_id"]} - {None}
        async with self._transaction() as session:
            known = frozenset(await session.scalars(select(Cluster.uuid).where(Cluster.uuid.in_(named))))
            values = federation_values(federation, known)
            row = await session.scalar(select(Federation).where(Federation.uuid == federation.uuid).with_for_update())
            if row is None:
                session.add(Federation(**values))
                await session.flush()
                joined = [each for each in dict.fromkeys(members) if each in known]
                session.add_all(FederationMember(federation_id=federation.uuid, cluster_id=each) for each in joined)
                await session.flush()
            outcome = Outcome.CREATED if row is None else merge(row, values)
        gone = sorted(named - known)
        notes = (f"imported without {', '.join(gone)}, which does not exist",) if gone else ()
        return _line("federation", federation, outcome, notes)


def _line(kind: str, row: SourceRow, outcome: Outcome, notes: Collection[str], *, whole: bool = True) -> Line:
    told = tuple(notes) or _why(outcome)
    return Line(kind, row["name"] or row.uuid, row.uuid, row["project_id"] or "", outcome, told, whole)


def _why(outcome: Outcome) -> tuple[str, ...]:
    return (KEPT,) if outcome is Outcome.KEPT else ()
