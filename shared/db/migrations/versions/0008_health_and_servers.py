"""health of clusters, and what Nova says of the servers of nodes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TIME = sa.DateTime(timezone=True)
_CLUSTER_TIMES = ("health_reported_at", "measure_at", "look_at", "looked_at")
_NODE_TEXTS = ("loss", "server_status", "removal_id")
_PARTIAL = (
    ("ix_clusters_measure_at", "clusters", "measure_at", "measure_at IS NOT NULL"),
    ("ix_clusters_look_at", "clusters", "look_at", "look_at IS NOT NULL"),
    ("ix_nodes_server_id", "nodes", "server_id", "server_id IS NOT NULL"),
    ("ix_nodes_last_report_at", "nodes", "last_report_at", "state = 'joined' AND NOT silent"),
)


def upgrade() -> None:
    for name in _CLUSTER_TIMES:
        op.add_column("clusters", sa.Column(name, _TIME))
    for name in _NODE_TEXTS:
        op.add_column("nodes", sa.Column(name, sa.Text()))
    op.add_column("nodes", sa.Column("launched_at", _TIME))
    op.add_column("nodes", sa.Column("silent", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint("loss_known", "nodes", "loss IN ('machine', 'agent')")
    op.create_check_constraint("lost_has_failed", "nodes", "loss IS NULL OR state IN ('failed', 'removing')")
    for index, table, column, condition in _PARTIAL:
        op.create_index(index, table, [column], postgresql_where=sa.text(condition))
    # Clusters of the previous version are looked at and measured once, spread over ten minutes.
    op.execute(
        "UPDATE clusters c SET look_at = now() + random() * interval '10 minutes', measure_at = now() "
        "WHERE EXISTS (SELECT 1 FROM nodes n WHERE n.cluster_id = c.uuid AND n.joined_at IS NOT NULL)"
    )


def downgrade() -> None:
    for index, table, _, _ in _PARTIAL:
        op.drop_index(index, table)
    op.drop_constraint("lost_has_failed", "nodes", type_="check")
    op.drop_constraint("loss_known", "nodes", type_="check")
    for name in ("silent", "launched_at", *_NODE_TEXTS):
        op.drop_column("nodes", name)
    for name in _CLUSTER_TIMES:
        op.drop_column("clusters", name)
