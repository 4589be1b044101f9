"""step names that do not follow from functions, results of commands as data, and kinds without a CHECK"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_NODES = {
    "ensure_nodes_chosen": "select_nodes",
    "ensure_nodes_drained": "drain_nodes",
    "ensure_shards": "update_node_stacks",
    "ensure_nodes_joined": "await_nodes",
    "ensure_nodes_gone": "remove_node_records",
}
_NAMES = {
    "create": {
        "ensure_base_stack_sent": "submit_base_stack",
        "ensure_secrets": "create_secrets",
        "ensure_credential": "create_credential",
        "ensure_base_stack": "await_base_stack",
        "ensure_shards": "create_node_stacks",
        "ensure_nodes_joined": "await_nodes",
    },
    "delete": {
        "ensure_agents_dismissed": "stop_agents",
        "ensure_shards_gone": "delete_node_stacks",
        "ensure_service_load_balancers_gone": "delete_service_load_balancers",
        "ensure_base_gone": "delete_base_stack",
        "ensure_nothing_left": "delete_leftovers",
        "ensure_credential_gone": "delete_credential",
    },
    "resize": _NODES,
    "nodegroup_create": _NODES,
    "nodegroup_delete": _NODES,
    "nodegroup_update": {"ensure_nodes_labelled": "update_node_labels"},
    "upgrade": {
        "ensure_target_known": "resolve_target",
        "ensure_masters_upgraded": "upgrade_control_nodes",
        "ensure_workers_upgraded": "upgrade_other_nodes",
    },
    "rotate_ca": {
        "ensure_successors_made": "create_authorities",
        "ensure_both_trusted": "trust_both",
        "ensure_trust_refreshed": "restart_workloads",
        "ensure_successors_sign": "sign_with_new",
        "ensure_old_ones_forgotten": "remove_old_authorities",
    },
    "rotate_credentials": {
        "ensure_new_credential": "create_credential",
        "ensure_cluster_has_it": "distribute_credential",
        "ensure_old_ones_gone": "delete_old_credentials",
    },
}
_KINDS = (
    *("create", "delete", "resize", "upgrade", "update", "rotate_ca", "rotate_credentials"),
    *("nodegroup_create", "nodegroup_update", "nodegroup_delete"),
)

# A failed operation too, for a retry resumes it. One that has succeeded or was cancelled is history, and keeps the names
# it had, as its events do. A process of the version before that is still up finds none of the names it knows and runs
# the steps from the first on, which every step allows.
_RENAME_STEPS = """
UPDATE operation_steps s SET name = r.new
FROM operations o, (VALUES {rows}) AS r (kind, old, new)
WHERE o.uuid = s.operation_id AND o.state NOT IN ('succeeded', 'cancelled') AND r.kind = o.kind AND r.old = s.name
"""
_RENAME_CURRENT = """
UPDATE operations o SET step = r.new
FROM (VALUES {rows}) AS r (kind, old, new)
WHERE o.state NOT IN ('succeeded', 'cancelled') AND r.kind = o.kind AND r.old = o.step
"""
# Answers that a step has yet to take in were stored as sentences (shared.operations.node_commands.spoken_results).
_RESULTS = """
UPDATE node_commands c SET results = found.results FROM (
    SELECT id, jsonb_object_agg('not_' || said[1] || '.' || said[2], said[3]) AS results
    FROM node_commands, regexp_matches(output, '^not (drained|restarted) ([A-Za-z0-9._/-]+): (.*)$', 'gn') AS said
    WHERE finished_at IS NOT NULL AND name IN ('remove-nodes', 'restart-workloads')
    GROUP BY id
) found WHERE found.id = c.id
"""


def _rename(pairs: list[tuple[str, str, str]]) -> None:
    rows = ", ".join(f"('{kind}', '{old}', '{new}')" for kind, old, new in pairs)
    op.execute(_RENAME_STEPS.format(rows=rows))
    op.execute(_RENAME_CURRENT.format(rows=rows))


def upgrade() -> None:
    # The kinds are one table in the code (shared.domain.kinds), and a new one is to need no migration.
    op.drop_constraint(op.f("ck_operations_kind_known"), "operations")
    op.add_column(
        "node_commands",
        sa.Column(
            "results", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.execute(_RESULTS)
    _rename([(kind, old, new) for kind, names in _NAMES.items() for old, new in names.items()])


def downgrade() -> None:
    _rename([(kind, new, old) for kind, names in _NAMES.items() for old, new in names.items()])
    op.drop_column("node_commands", "results")
    listed = ", ".join(f"'{kind}'" for kind in _KINDS)
    op.create_check_constraint(op.f("ck_operations_kind_known"), "operations", f"kind IN ({listed})")
