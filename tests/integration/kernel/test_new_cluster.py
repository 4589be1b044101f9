"""A cluster that is inserted in one statement is what the rows made one by one are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from jeroboam.driver import ClusterSpec
from shared.db.engine import Database
from shared.db.models import Cluster, ClusterTemplate, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.operations import specs
from shared.operations.new_cluster import insert_cluster
from shared.operations.nodes import add_nodes
from shared.operations.params import CreateParams
from shared.operations.start import start_operation
from shared.telemetry.trace import in_trace, new_trace

TRACE = new_trace()
PARAMS = CreateParams(node_count=5, master_count=3)
ODD = 'a "quoted" {brace}, $1 \\ ümlaut 🚀\n'


def columns(template: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    cluster: dict[str, Any] = {
        "uuid": new_id(),
        "name": "c",
        "project_id": "p1",
        "user_id": "u1",
        "cluster_template_id": template,
        "driver": "kubernetes-ubuntu",
        "engine": "kubernetes",
        "coe": "kubernetes",
        "keypair": None,
        "labels": {"note": ODD, "kube_tag": "v1.34.1"},
        "create_timeout": 60,
        "floating_ip_enabled": True,
        "master_lb_enabled": False,
    }
    spec = ClusterSpec(
        **{name: cluster[name] for name in ("uuid", "name", "project_id", "coe", "labels")},
        os_distro="ubuntu", server_type="vm", external_network_id=None, dns_nameservers=["192.0.2.1"], http_proxy=ODD,
    )  # fmt: skip
    cluster["spec"] = {**specs.stored(spec, {"kube_tag": ODD}), "uuid": "same"}
    groups = [
        {
            "uuid": new_id(),
            "cluster_id": cluster["uuid"],
            "project_id": "p1",
            "name": f"default-{role}",
            "role": role,
            "is_default": True,
            "flavor_id": ODD,
            "image_id": "i1",
            "operating_system": "ubuntu",
            "hardware": "vm",
            "docker_volume_size": 3,
            "labels": cluster["labels"],
            "node_count": count,
            "min_node_count": count and 1,
        }
        for role, count in (("master", 3), ("worker", 5), ("infra", 0))
    ]
    return cluster, groups


async def make_template(database: Database) -> str:
    uuid = new_id()
    async with database.transaction() as session:
        session.add(
            ClusterTemplate(uuid=uuid, name="t", project_id="p1", user_id="u1", coe="k", image_id="i", labels={})
        )
    return uuid


async def stored(database: Database, cluster: dict[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """All rows of a cluster, with ids and times replaced by what they have in common."""
    known = {cluster["uuid"]: "<cluster>", cluster["uuid"][-8:]: "<short>"}
    known |= {group["uuid"]: f"<{group['name']}>" for group in groups}
    found: dict[str, Any] = {}
    async with database.transaction() as session:
        for table, key, order in (
            ("clusters", "uuid", "id"),
            ("nodegroups", "cluster_id", "id"),
            ("nodes", "cluster_id", "nodegroup_id, index"),
            ("operations", "cluster_id", "created_at"),
            ("events", "cluster_id", "seq"),
        ):
            query = f"SELECT to_jsonb(x) - 'tx' - 'seq' AS row FROM {table} x WHERE {key} = :uuid ORDER BY {order}"
            rows = (await session.scalars(text(query), {"uuid": cluster["uuid"]})).all()
            found[table] = [_plain(table, row, known) for row in rows]
    found["nodes"].sort(key=lambda row: row["name"])
    return found


def _plain(table: str, row: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    if table == "operations":
        known[row["uuid"]] = "<operation>"
    own = {"clusters": "id", "nodegroups": "id", "nodes": "uuid", "events": "id"}.get(table)
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if name == own:
            continue
        is_time = name.endswith("_at") or name == "time"
        shown = "<time>" if is_time and value is not None else value
        for secret, word in known.items():
            shown = shown.replace(secret, word) if isinstance(shown, str) else shown
        plain[name] = shown
    return plain


@pytest.mark.parametrize("timeout", [timedelta(minutes=90), None])
async def test_the_rows_are_the_same(database: Database, timeout: timedelta | None) -> None:
    template = await make_template(database)
    quick, quick_groups = columns(template)
    async with database.transaction() as session:
        with in_trace(TRACE):
            await insert_cluster(
                session, quick, quick_groups, request_id="req-1", params=PARAMS, timeout=timeout, nodes_per_stack=2
            )
    plain, plain_groups = columns(template)
    async with database.transaction() as session:
        cluster = Cluster(**plain, status="CREATE_IN_PROGRESS")
        session.add(cluster)
        await session.flush()
        for each in plain_groups:
            group = Nodegroup(**each, status="CREATE_IN_PROGRESS")
            session.add(group)
            await session.flush()
            await add_nodes(session, cluster, group, group.node_count, 2)
        with in_trace(TRACE):
            await start_operation(
                session,
                cluster=cluster,
                kind=OperationKind.CREATE,
                user_id="u1",
                request_id="req-1",
                params=PARAMS,
                timeout=timeout,
            )
    expected = await stored(database, plain, plain_groups)
    assert expected["operations"][0]["trace"] == expected["events"][0]["trace"] == TRACE
    assert await stored(database, quick, quick_groups) == expected
    assert [len(expected[table]) for table in ("nodegroups", "nodes", "operations", "events")] == [3, 8, 1, 1]
    async with database.transaction() as session:
        query = text("SELECT deadline_at - created_at FROM operations")
        assert set(await session.scalars(query)) == {timeout}


async def test_it_takes_one_statement(database: Database) -> None:
    template = await make_template(database)
    cluster, groups = columns(template)
    seen: list[str] = []
    event.listen(
        database._engine.sync_engine, "before_cursor_execute", lambda _c, _cur, statement, *_: seen.append(statement)
    )
    async with database.transaction() as session:
        await insert_cluster(session, cluster, groups, request_id=None, params=PARAMS, timeout=None, nodes_per_stack=50)
    assert len(seen) == 1
