"""The load-bearing indexes and CHECKs, read back from the catalogue of a migrated database."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from sqlalchemy import text

from shared.db.engine import Database
from shared.db.migrate import alembic_config


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")  # it lives in the migration alone
async def test_models_and_migrations_agree(database_url: str) -> None:
    await asyncio.to_thread(command.check, alembic_config(database_url))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uq_operations_one_live_per_cluster", "UNIQUE INDEX"),
        ("uq_operations_one_live_per_cluster", "WHERE (state = ANY (ARRAY['queued'::text, 'running'::text"),
        ("ix_operations_due", "WHERE (state = ANY (ARRAY['queued'::text, 'waiting'::text]))"),
        ("ix_operations_leased", "WHERE (state = 'running'::text)"),
        ("ix_events_unpublished", "WHERE (published_at IS NULL)"),
        ("ix_events_tx_seq", "(tx, seq)"),
        ("uq_events_position", "UNIQUE INDEX"),
        ("ix_events_unnumbered", 'WHERE ("position" IS NULL)'),
        ("uq_events_cluster_id_sequence", "UNIQUE INDEX"),
        ("uq_webhook_deliveries_webhook_id_event_id", "UNIQUE INDEX"),
        ("ix_webhook_deliveries_pending", "WHERE (state = 'pending'::text)"),
        ("ix_webhooks_due", "WHERE (enabled AND (next_due IS NOT NULL))"),
    ],
)
async def test_index(database: Database, name: str, expected: str) -> None:
    async with database.transaction() as session:
        definition = await session.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = :n"), {"n": name})
    assert expected in (definition or "")


@pytest.mark.parametrize(
    "name",
    [
        "ck_operations_final_has_its_time",
        "ck_operations_lease_whole",
        "ck_operations_running_is_leased",
        "ck_operations_state_known",
        "ck_clusters_status_known",
        "ck_nodes_state_known",
        "ck_events_lease_whole",
        "ck_node_commands_finished_has_a_result",
    ],
)
async def test_check(database: Database, name: str) -> None:
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM pg_constraint WHERE conname = :n"), {"n": name}) == 1
