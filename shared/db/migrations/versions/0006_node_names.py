"""no two nodes of a cluster have the same name

Nodes that share a name keep it, because their machines have it; they are marked and left out of the index.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("nodes", sa.Column("shares_name", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(
        "UPDATE nodes SET shares_name = true WHERE (cluster_id, name) IN "
        "(SELECT cluster_id, name FROM nodes GROUP BY cluster_id, name HAVING count(*) > 1)"
    )
    op.create_index(
        "uq_nodes_name_in_cluster",
        "nodes",
        ["cluster_id", "name"],
        unique=True,
        postgresql_where=sa.text("NOT shares_name"),
    )


def downgrade() -> None:
    op.drop_index("uq_nodes_name_in_cluster", "nodes")
    op.drop_column("nodes", "shares_name")
