"""Names of statements in traces."""

from __future__ import annotations

import pytest

from shared.db.statement_spans import summary


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("\nSELECT n.uuid FROM nodes n JOIN clusters c ON c.uuid = n.cluster_id", "SELECT nodes"),
        ("INSERT INTO events (id) VALUES ($1)", "INSERT events"),
        ("UPDATE ONLY clusters SET name = $1", "UPDATE clusters"),
        ("SELECT pg_notify($1, '')", "SELECT"),
        ("", "statement"),
    ],
)
def test_verb_and_table(sql: str, name: str) -> None:
    assert summary(sql) == name
