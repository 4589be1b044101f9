"""Rows as an earlier revision of the schema had them, written without the models, which are those of the newest one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import asyncpg

from jeroboam.driver import ClusterSpec
from shared.domain.ids import new_id
from shared.operations.specs import stored


class OldRows:
    """Args: connection: to a database at the revision whose rows are to be written."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def insert(self, table: str, **values: Any) -> None:
        """One row; objects and lists become JSON."""
        columns = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        stored_values = [json.dumps(value) if isinstance(value, dict | list) else value for value in values.values()]
        await self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", *stored_values)

    async def cluster(self, *, status: str = "UPDATE_IN_PROGRESS") -> str:
        """A cluster with a base stack and the nodegroups `<uuid>-masters` and `<uuid>-workers`; its uuid."""
        uuid, template = new_id(), new_id()
        await self.insert(
            "cluster_templates", uuid=template, name="t", project_id="p1", user_id="u1", coe="kubernetes",
            image_id="ubuntu", labels={},
        )  # fmt: skip
        spec = ClusterSpec(
            uuid=uuid, name="c", project_id="p1", coe="kubernetes", os_distro="ubuntu", server_type="vm", labels={},
            external_network_id="ext",
        )  # fmt: skip
        await self.insert(
            "clusters", uuid=uuid, name="c", project_id="p1", user_id="u1", cluster_template_id=template,
            driver="kubernetes-ubuntu", coe="kubernetes", labels={}, floating_ip_enabled=True, master_lb_enabled=False,
            spec=stored(spec, {}), status=status, stack_id="base", base_outputs={"network_id": "n"},
        )  # fmt: skip
        for name, role in (("masters", "master"), ("workers", "worker")):
            await self.insert(
                "nodegroups", uuid=f"{uuid}-{name}", cluster_id=uuid, project_id="p1", name=name, role=role,
                flavor_id="m1", image_id="ubuntu", node_count=1, status=status, next_index=9,
            )  # fmt: skip
        return uuid

    async def node(self, cluster: str, group: str, index: int, **columns: Any) -> str:
        """A node that works, unless `columns` say otherwise; its uuid."""
        uuid = new_id()
        values: dict[str, Any] = {
            "name": f"c-{group}-{index}", "state": "joined", "server_id": f"server {index}",
            "announced_at": datetime.now().astimezone(),
        }  # fmt: skip
        await self.insert(
            "nodes", uuid=uuid, cluster_id=cluster, nodegroup_id=f"{cluster}-{group}",
            role=group.removesuffix("s"), index=index, shard=0, **(values | columns),
        )  # fmt: skip
        return uuid

    async def operation(
        self, cluster: str, kind: str, state: str, *, step: str | None = None, params: dict[str, Any] | None = None,
        groups: list[str] | None = None, **columns: Any,
    ) -> str:  # fmt: skip
        uuid = new_id()
        if state in ("succeeded", "failed", "cancelled"):
            columns["finished_at"] = datetime.now().astimezone()
        await self.insert(
            "operations", uuid=uuid, cluster_id=cluster, cluster_name="c", project_id="p1", user_id="u1", kind=kind,
            state=state, step=step, params=params or {},
            nodegroup_ids=None if groups is None else [f"{cluster}-{name}" for name in groups], **columns,
        )  # fmt: skip
        return uuid

    async def step(
        self, operation: str, position: int, name: str, output: dict[str, Any] | None = None, *, ended: bool = True
    ) -> None:
        finished = datetime.now().astimezone() if ended else None
        await self.insert(
            "operation_steps", operation_id=operation, position=position, name=name, output=output or {},
            finished_at=finished,
        )  # fmt: skip
