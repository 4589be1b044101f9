"""webhooks, their deliveries and attempts, and the position of the log that was read for them"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _texts(name: str) -> sa.Column[list[str]]:
    return sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _flag(name: str, default: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text(default), nullable=False)


def _time(name: str, *, now: bool = False) -> sa.Column[datetime]:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=not now, server_default=sa.text("now()") if now else None
    )


def upgrade() -> None:
    op.create_table(
        "webhooks",
        _id(),
        *(_text(name) for name in ("uuid", "project_id", "user_id", "name")),
        _text("description", nullable=True),
        _text("url"),
        *(_texts(name) for name in ("event_types", "type_likes", "cluster_ids", "outcomes")),
        _text("format", default="structured"),
        _flag("ordered", "false"),
        _flag("enabled", "true"),
        _text("disabled_reason", nullable=True),
        _number("revision"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        _time("old_secret_until"),
        _number("failures"),
        _time("failing_since"),
        _text("last_error", nullable=True),
        _time("last_success_at"),
        _flag("troubled", "false"),
        *(_time(name) for name in ("recovered_at", "held_until", "next_due")),
        _text("lease_token", nullable=True),
        _time("lease_until"),
        _time("created_at", now=True),
        _time("updated_at"),
        sa.CheckConstraint("format IN ('structured', 'plain')", name=op.f("ck_webhooks_format_known")),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_webhooks_lease_whole")),
        sa.CheckConstraint(
            "(old_secret IS NULL) = (old_secret_until IS NULL)", name=op.f("ck_webhooks_old_secret_ends")
        ),
        sa.CheckConstraint("disabled_reason IS NULL OR NOT enabled", name=op.f("ck_webhooks_disabled_is_not_enabled")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhooks_uuid")),
    )
    op.create_index("ix_webhooks_project_id_id", "webhooks", ["project_id", "id"])
    op.create_index(
        "ix_webhooks_due", "webhooks", ["next_due"], postgresql_where=sa.text("enabled AND next_due IS NOT NULL")
    )
    op.create_index(
        "ix_webhooks_leased", "webhooks", ["lease_token"], postgresql_where=sa.text("lease_token IS NOT NULL")
    )
    _deliveries()
    op.create_table(
        "webhook_cursor",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("position_tx", sa.BigInteger(), nullable=False),
        sa.Column("position_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_webhook_cursor_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_cursor")),
    )
    # Webhooks receive what happens after they were created, so the log is read from here.
    op.execute(
        "INSERT INTO webhook_cursor (position_tx, position_seq) "
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, 0"
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        _id(),
        sa.Column("uuid", sa.Text(), server_default=sa.text("gen_random_uuid()::text"), nullable=False),
        *(_text(name) for name in ("webhook_id", "event_id", "event_type")),
        _text("cluster_id", nullable=True),
        _text("state", default="pending"),
        _number("tries"),
        _number("attempts"),
        _time("due_at", now=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        _text("last_error", nullable=True),
        _time("created_at", now=True),
        _time("finished_at"),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state_known")
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (finished_at IS NULL)", name=op.f("ck_webhook_deliveries_final_has_its_time")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.uuid"], name=op.f("fk_webhook_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhook_deliveries_uuid")),
        sa.UniqueConstraint("webhook_id", "event_id", name=op.f("uq_webhook_deliveries_webhook_id_event_id")),
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["webhook_id", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"])
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    op.create_table(
        "webhook_attempts",
        _id(),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _time("started_at", now=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        _text("error", nullable=True),
        sa.Column("request_headers", postgresql.JSONB(), nullable=False),
        sa.Column("response_headers", postgresql.JSONB(), nullable=False),
        _text("response_body"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_deliveries.id"], name=op.f("fk_webhook_attempts_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
    )
    op.create_index(op.f("ix_webhook_attempts_delivery_id"), "webhook_attempts", ["delivery_id"])


def downgrade() -> None:
    for table in ("webhook_cursor", "webhook_attempts", "webhook_deliveries", "webhooks"):
        op.drop_table(table)
