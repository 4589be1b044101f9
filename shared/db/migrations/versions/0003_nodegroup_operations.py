"""operations on nodegroups, requests that join a live operation, and node numbers that are never given twice"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_BEFORE = ("create", "delete", "resize", "upgrade", "update", "rotate_ca", "rotate_credentials")
_AFTER = (*_BEFORE, "nodegroup_create", "nodegroup_update", "nodegroup_delete")


def _set_kinds(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_operations_kind_known"), "operations")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_operations_kind_known"), "operations", f"kind IN ({listed})")


def upgrade() -> None:
    _set_kinds(_AFTER)
    op.add_column("operations", sa.Column("nodegroup_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("operations", sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("nodegroups", sa.Column("next_index", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.execute(
        "UPDATE nodegroups g SET next_index = n.last + 1 "
        "FROM (SELECT nodegroup_id, max(index) AS last FROM nodes GROUP BY nodegroup_id) n WHERE n.nodegroup_id = g.uuid"
    )


def downgrade() -> None:
    op.drop_column("nodegroups", "next_index")
    op.drop_column("operations", "revision")
    op.drop_column("operations", "nodegroup_ids")
    _set_kinds(_BEFORE)
