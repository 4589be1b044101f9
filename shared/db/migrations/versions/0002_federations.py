"""federations"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_STATUSES = ", ".join(
    f"'{verb}_{outcome}'"
    for verb in ("CREATE", "UPDATE", "DELETE")
    for outcome in ("IN_PROGRESS", "COMPLETE", "FAILED")
)


def upgrade() -> None:
    op.create_table(
        "federations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("hostcluster_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column(
            "properties", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name=op.f("ck_federations_status_known")),
        sa.ForeignKeyConstraint(
            ["hostcluster_id"], ["clusters.uuid"], name=op.f("fk_federations_hostcluster_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_federations")),
        sa.UniqueConstraint("uuid", name=op.f("uq_federations_uuid")),
    )
    op.create_index(op.f("ix_federations_project_id"), "federations", ["project_id"])
    # Deleting a cluster looks for what refers to it; without these it would read the whole table.
    op.create_index(op.f("ix_federations_hostcluster_id"), "federations", ["hostcluster_id"])
    op.create_table(
        "federation_members",
        sa.Column("federation_id", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"],
            ["federations.uuid"],
            name=op.f("fk_federation_members_federation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.uuid"], name=op.f("fk_federation_members_cluster_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("federation_id", "cluster_id", name=op.f("pk_federation_members")),
    )
    op.create_index(op.f("ix_federation_members_cluster_id"), "federation_members", ["cluster_id"])


def downgrade() -> None:
    op.drop_table("federation_members")
    op.drop_table("federations")
