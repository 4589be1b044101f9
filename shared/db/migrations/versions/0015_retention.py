"""indexes for what is deleted after a time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    finished = sa.text("finished_at IS NOT NULL")
    op.create_index("ix_operations_finished_at", "operations", ["finished_at"], postgresql_where=finished)
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_index("ix_operations_finished_at", table_name="operations")
