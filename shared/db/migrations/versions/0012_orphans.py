"""resources that no cluster has any more, and when each project was searched for them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "orphans",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("remove_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "item_id", name=op.f("pk_orphans")),
    )
    op.create_index("ix_orphans_project_id", "orphans", ["project_id"])
    op.create_table(
        "project_sweeps",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("sweep_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_sweeps")),
    )
    op.create_index("ix_project_sweeps_sweep_at", "project_sweeps", ["sweep_at"])


def downgrade() -> None:
    op.drop_table("project_sweeps")
    op.drop_table("orphans")
