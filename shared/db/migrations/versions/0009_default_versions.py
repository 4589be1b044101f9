"""clusters keep the default version that they were created with

Until now, a cluster without the label of its version had the default of the installed release.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        UPDATE clusters
        SET spec = spec || jsonb_build_object('default_labels', jsonb_build_object('kube_tag', coe_version))
        WHERE engine = 'kubernetes' AND coe_version ~ '^v1[.]' AND NOT labels ? 'kube_tag'
        """
    )


def downgrade() -> None:
    op.execute("UPDATE clusters SET spec = spec - 'default_labels'")
