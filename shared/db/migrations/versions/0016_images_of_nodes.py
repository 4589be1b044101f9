"""nodes whose nodegroup has got another image since

Until now, a nodegroup's image never changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("nodes", sa.Column("image_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("nodes", "image_id")
