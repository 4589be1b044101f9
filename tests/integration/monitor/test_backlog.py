"""What waits in the database, as metrics."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.monitor.backlog import measure
from shared.db.engine import Database
from shared.domain.states import OperationKind
from shared.operations.start import start_operation
from tests.support.rows import make_cluster


def value(name: str) -> float:
    found = REGISTRY.get_sample_value(f"jeroboam_{name}")
    assert found is not None
    return found


async def test_what_nobody_runs_and_publishes_is_counted_with_its_age(database: Database) -> None:
    await measure(database)
    assert [value(name) for name in ("operations_due", "events_unpublished", "dead_letters")] == [0, 0, 0]
    async with database.transaction() as session:
        for name in ("waiting", "taken", "abandoned", "later"):
            cluster = await make_cluster(session)
            operation = await start_operation(
                session, cluster=cluster, kind=OperationKind.CREATE, user_id="u", request_id=None
            )
            await session.flush()
            state, due, lease = {
                "waiting": ("waiting", "- interval '50 s'", None),
                "taken": ("running", "- interval '500 s'", "'1 minute'"),
                "abandoned": ("running", "- interval '500 s'", "'-90 s'"),
                "later": ("waiting", "+ interval '1 h'", None),
            }[name]
            lease_until = "NULL" if lease is None else f"now() + interval {lease}"
            token = "NULL" if lease is None else "'t'"
            await session.execute(
                text(
                    f"UPDATE operations SET state = '{state}', next_attempt_at = now() {due}, "
                    f"lease_until = {lease_until}, lease_token = {token} WHERE uuid = '{operation.uuid}'"
                )
            )
        await session.execute(text("UPDATE events SET time = now() - interval '70 s'"))
        events = await session.scalar(text("SELECT count(*) FROM events"))
        await session.execute(
            text(
                "INSERT INTO dead_letters (message_id, queue, routing_key, headers, body, reason, replayed_at) VALUES "
                "('m1', 'q', 'k', '{}', '', 'rejected', NULL), ('m2', 'q', 'k', '{}', '', 'rejected', now())"
            )
        )
    await measure(database)
    assert value("operations_due") == 2
    assert value("operations_due_age_seconds") == pytest.approx(90, abs=5)
    assert value("events_unpublished") == events
    assert value("events_unpublished_age_seconds") == pytest.approx(70, abs=5)
    assert value("dead_letters") == 1
