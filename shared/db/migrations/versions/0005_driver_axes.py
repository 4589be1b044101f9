"""engine of clusters, operating system and hardware of nodegroups, facts of nodes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("clusters", sa.Column("engine", sa.Text(), nullable=True))
    for column in ("operating_system", "hardware"):
        op.add_column("nodegroups", sa.Column(column, sa.Text(), nullable=True))
    # Until now a driver was named `<engine>-<operating system>`, and all hardware was VMs.
    op.execute(
        "UPDATE clusters SET engine = CASE driver WHEN 'magnum-imported' THEN driver "
        "ELSE regexp_replace(driver, '-[^-]*$', '') END"
    )
    op.execute(
        "UPDATE nodegroups g SET operating_system = regexp_replace(c.driver, '^.*-', ''), hardware = 'vm' "
        "FROM clusters c WHERE c.uuid = g.cluster_id AND c.driver <> 'magnum-imported'"
    )
    op.alter_column("clusters", "engine", nullable=False)
    op.create_table(
        "node_facts",
        sa.Column("node_id", sa.Text(), sa.ForeignKey("nodes.uuid", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("node_facts")
    op.drop_column("nodegroups", "hardware")
    op.drop_column("nodegroups", "operating_system")
    op.drop_column("clusters", "engine")
