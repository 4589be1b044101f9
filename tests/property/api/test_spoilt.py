"""Every field of every body with every nasty value, all else sound: refused where it is read, never by the database."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.clusters.fields import FIELDS as CLUSTER
from services.api.clusters.resize import FIELDS as RESIZE
from services.api.clusters.upgrade import FIELDS as UPGRADE
from services.api.federations.manage import FIELDS as FEDERATION
from services.api.nodegroups.fields import FIELDS as NODEGROUP
from services.api.prometheus.tokens import FIELDS as TOKEN
from services.api.quotas.manage import FIELDS as QUOTA
from services.api.templates.fields import FIELDS as TEMPLATE
from services.api.webhooks.fields import FIELDS as WEBHOOK
from services.api.webhooks.fields import REDELIVER_FIELDS as REDELIVER
from services.api.wire.fields import Field
from shared.db.engine import Database

SOUND_TEMPLATE = {"name": "t1", "coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small"}
SOUND_FEDERATION = {"name": "f1", "hostcluster_id": "c1", "properties": {"dns-zone": "x."}}
SOUND_WEBHOOK = {"name": "w1", "url": "https://hooks.example.com/"}
BODIES: list[tuple[str, str, dict[str, Any], list[Field]]] = [
    ("POST", "/v1/clusters", {"cluster_template_id": "t1"}, CLUSTER),
    ("PATCH", "/v1/clusters/c1", {}, CLUSTER),
    ("POST", "/v1/clusters/c1/actions/resize", {"node_count": 2}, RESIZE),
    ("POST", "/v1/clusters/c1/actions/upgrade", {"cluster_template": "t1"}, UPGRADE),
    ("POST", "/v1/clusters/c1/nodegroups", {"name": "more"}, NODEGROUP),
    ("PATCH", "/v1/clusters/c1/nodegroups/default-worker", {}, NODEGROUP),
    ("POST", "/v1/clustertemplates", SOUND_TEMPLATE, TEMPLATE),
    ("PATCH", "/v1/clustertemplates/spare", {}, TEMPLATE),
    ("POST", "/v1/federations", SOUND_FEDERATION, FEDERATION),
    ("PATCH", "/v1/federations/f1", {}, FEDERATION),
    ("POST", "/v1/webhooks", SOUND_WEBHOOK, WEBHOOK),
    ("PATCH", "/v1/webhooks/w1", {}, WEBHOOK),
    ("POST", "/v1/webhooks/w1/redeliver", {"since": "2026-11-25T10:00:00Z"}, REDELIVER),
    ("POST", "/v1/prometheus/tokens", {"name": "t"}, TOKEN),
    ("POST", "/v1/quotas", {"project_id": "p1"}, QUOTA),
    ("PATCH", "/v1/quotas/p1/Cluster", {}, QUOTA),
]
NASTY: list[Any] = [
    *(2**31, 2**63, -(2**63), 1.5, True, "", "\x00", "\ud800", "(", "{'a'", "9" * 30, "x" * 70_000),
    *([], [None], ["\x00"], [[]], {}, {"a": None}, {"a": []}, {"\x00": "a"}, {"dns-zone": "\ud800"}),
]


async def database_with_a_built_cluster(database: Database) -> None:
    """What most changes of a cluster wait for."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE operations SET state = 'succeeded', finished_at = now()"))
        await session.execute(
            text(
                "UPDATE clusters SET status = 'CREATE_COMPLETE', api_address = 'https://192.0.2.1:6443', "
                "base_outputs = cast(:outputs AS jsonb)"
            ),
            {"outputs": '{"api_address": "192.0.2.1"}'},
        )


@pytest.mark.parametrize(("method", "path", "sound", "fields"), BODIES, ids=lambda value: str(value)[:40])
async def test_one_wrong_value(
    client: httpx.AsyncClient, database: Database, method: str, path: str, sound: dict[str, Any], fields: list[Field]
) -> None:
    for url, body in (
        ("/v1/clustertemplates", SOUND_TEMPLATE),
        ("/v1/clustertemplates", SOUND_TEMPLATE | {"name": "spare"}),
        ("/v1/clusters", {"name": "c1", "cluster_template_id": "t1"}),
        ("/v1/federations", SOUND_FEDERATION),
        ("/v1/webhooks", SOUND_WEBHOOK),
    ):
        assert (await client.post(url, json=body)).is_success
    await database_with_a_built_cluster(database)
    headers = {"X-Auth-Token": "admin", "Content-Type": "application/json"} if "quotas" in path else {}
    for field in fields:
        for value in NASTY:
            raw = json.dumps(sound | {field.name: value}).encode()
            answer = await client.request(method, path, content=raw, headers=headers)
            told = f"{field.name}={ascii(value)[:60]}: {answer.text[:300]}"
            assert answer.status_code < 500, told
            assert "contains a value that cannot be stored" not in answer.text, told
