"""A finished cluster in rows, and an operation of the scaler on its workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select, update

from services.scaler.steps.choice import ensure_nodes_chosen
from shared.cloud.settings import CloudSettings
from shared.cloud.stack_list import StackList
from shared.db.engine import Database
from shared.db.models import Event, Node, NodeCommand, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.operations.nodes import add_nodes
from shared.operations.outputs import SelectedNodes
from shared.operations.plan import Done, OperationView
from shared.operations.step_keys import SELECT_NODES, StepKey
from shared.pki.sealing import Sealer, new_key
from shared.settings import Settings
from shared.steps.context import StepContext
from tests.support.rows import make_cluster


class Stage:
    """A finished cluster of three masters and `workers` workers, and an operation on the workers."""

    def __init__(self, context: StepContext, view: OperationView) -> None:
        self.context = context
        self.view = view

    async def nodes(self) -> dict[str, Node]:
        """Name's last two parts -> the row, e.g. `worker-2`."""
        async with self.context.database.transaction() as session:
            rows = await session.scalars(select(Node).order_by(Node.role, Node.index))
            return {f"{row.role}-{row.index}": row for row in rows}

    async def set(self, name: str, **columns: Any) -> None:
        uuid = (await self.nodes())[name].uuid
        async with self.context.database.transaction() as session:
            await session.execute(update(Node).where(Node.uuid == uuid).values(**columns))

    async def wish(self, count: int) -> None:
        async with self.context.database.transaction() as session:
            await session.execute(update(Nodegroup).where(Nodegroup.name == "workers").values(node_count=count))

    def after(self, step: StepKey[Any], done: Done) -> None:
        self.view = replace(self.view, outputs={**self.view.outputs, step.name: done.output.dump()})

    async def chosen(self, count: int) -> SelectedNodes:
        await self.wish(count)
        done = await ensure_nodes_chosen(self.context, self.view)
        assert isinstance(done, Done)
        self.after(SELECT_NODES, done)
        return self.view.output(SELECT_NODES)

    async def commands(self) -> Sequence[NodeCommand]:
        async with self.context.database.transaction() as session:
            return list(await session.scalars(select(NodeCommand).order_by(NodeCommand.created_at)))

    async def answer(self, *, ok: bool = True, output: str = "", results: dict[str, str] | None = None) -> None:
        values = {"ok": ok, "output": output, "results": results or {}, "finished_at": func.now()}
        async with self.context.database.transaction() as session:
            await session.execute(update(NodeCommand).values(**values))

    async def first_stack(self) -> str | None:
        async with self.context.database.transaction() as session:
            found: str | None = await session.scalar(select(Nodegroup.stack_id).where(Nodegroup.name == "workers"))
            return found

    async def events(self, name: str) -> list[str]:
        """Names of the nodes that events of a type are about."""
        async with self.context.database.transaction() as session:
            rows = await session.scalars(select(Event).where(Event.type.endswith(name)))
            return sorted(row.data["name"].rsplit("-", 1)[1] for row in rows)


def make_context(database: Database, database_url: str, clouds: Any = None) -> StepContext:
    """Shards of two nodes, a minute to drain; `clouds` only where the step asks a cloud."""
    settings = Settings(
        database_url=SecretStr(database_url),
        cloud=CloudSettings(auth_url="http://127.0.0.1:9/v3", username="nobody", password=SecretStr("x")),
        secret_keys=[SecretStr(new_key())],
        nodes_per_stack=2,
        drain_timeout_seconds=60,
    )
    stacks = StackList(clouds, fresh_seconds=0)
    return StepContext(settings, database, clouds=clouds, stacks=stacks, sealer=Sealer(settings.secret_keys))


async def make_stage(database: Database, database_url: str, clouds: Any = None) -> Stage:
    """On a migrated database; `clouds` only where the step asks a cloud."""
    async with database.transaction() as session:
        cluster = await make_cluster(session, nodes=3)
        cluster.stack_id = "base"
        cluster.base_outputs = {"network_id": "n", "subnet_id": "s", "worker_security_group": "w"}
        masters = (await session.scalars(select(Nodegroup))).one()
        workers = Nodegroup(
            uuid=new_id(),
            cluster_id=cluster.uuid,
            project_id="p1",
            name="workers",
            role="worker",
            flavor_id="m1",
            image_id="ubuntu",
            operating_system="ubuntu",
            hardware="vm",
            node_count=5,
            status="CREATE_COMPLETE",
        )
        session.add(workers)
        await session.flush()
        made = await add_nodes(session, cluster, masters, 3, 2) + await add_nodes(session, cluster, workers, 5, 2)
        for node in made:
            node.state, node.server_id, node.announced_at = "joined", f"server of {node.name}", datetime.now(UTC)
    context = make_context(database, database_url, clouds)
    view = OperationView(
        uuid=new_id(),
        kind=OperationKind.RESIZE.value,
        cluster_id=cluster.uuid,
        cluster_name="c",
        project_id="p1",
        user_id="u1",
        params={},
        created_at=datetime.now(UTC),
        deadline_at=None,
        retries=0,
        revision=0,
        nodegroup_ids=(workers.uuid,),
        outputs={},
    )
    return Stage(context, view)
