"""the name of a cluster template can be removed, as in Magnum"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.alter_column("cluster_templates", "name", nullable=True)


def downgrade() -> None:
    op.execute("UPDATE cluster_templates SET name = uuid WHERE name IS NULL")
    op.alter_column("cluster_templates", "name", nullable=False)
