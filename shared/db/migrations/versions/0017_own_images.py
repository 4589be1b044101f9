"""nodegroups with an image of their own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("nodegroups", sa.Column("own_image", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.execute(
        """
        UPDATE nodegroups g SET own_image = true
        WHERE NOT is_default AND image_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM nodegroups d WHERE d.cluster_id = g.cluster_id AND d.is_default AND d.image_id = g.image_id)
        """
    )


def downgrade() -> None:
    op.drop_column("nodegroups", "own_image")
