"""positions of events in the log: in the order of commits, without gaps, and independent of transaction IDs

Existing events get their positions from the first process of the new version that reads the log, in small batches, so
that this migration locks the table only briefly. Processes of the version before ignore the columns: they insert events
without a position, and read by transaction ID.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("events", sa.Column("position", sa.BigInteger(), nullable=True))
    numbered = sa.text("position IS NOT NULL")
    op.create_index("uq_events_position", "events", ["position"], unique=True, postgresql_where=numbered)
    op.create_index("ix_events_project_id_position", "events", ["project_id", "position"], postgresql_where=numbered)
    op.create_index("ix_events_unnumbered", "events", ["seq"], postgresql_where=sa.text("position IS NULL"))
    op.create_table(
        "event_counter",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("last_position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_counter_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_counter")),
    )
    op.execute("INSERT INTO event_counter DEFAULT VALUES")
    # Null until the notifier of the new version has translated its old position.
    op.add_column("webhook_cursor", sa.Column("position", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("webhook_cursor", "position")
    op.drop_table("event_counter")
    for index in ("ix_events_unnumbered", "ix_events_project_id_position", "uq_events_position"):
        op.drop_index(index, table_name="events")
    op.drop_column("events", "position")
