"""tokens with which a Prometheus server reads the targets of a project"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "prometheus_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        *(_text(name) for name in ("uuid", "project_id", "user_id", "name", "token_hash")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prometheus_tokens")),
        sa.UniqueConstraint("uuid", name=op.f("uq_prometheus_tokens_uuid")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_prometheus_tokens_token_hash")),
    )
    op.create_index("ix_prometheus_tokens_project_id_id", "prometheus_tokens", ["project_id", "id"])


def downgrade() -> None:
    op.drop_table("prometheus_tokens")
