"""the trace of the request that asked for an operation"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("operations", sa.Column("trace", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("operations", "trace")
