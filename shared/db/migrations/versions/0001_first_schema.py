"""first schema

The code of the release before must run on this schema: add first, use later, drop last.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bus_queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bindings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("delivery_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bus_queues")),
    )
    op.create_table(
        "cluster_templates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("coe", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("flavor_id", sa.Text(), nullable=True),
        sa.Column("master_flavor_id", sa.Text(), nullable=True),
        sa.Column("keypair_id", sa.Text(), nullable=True),
        sa.Column("external_network_id", sa.Text(), nullable=True),
        sa.Column("fixed_network", sa.Text(), nullable=True),
        sa.Column("fixed_subnet", sa.Text(), nullable=True),
        sa.Column("dns_nameserver", sa.Text(), nullable=True),
        sa.Column("network_driver", sa.Text(), nullable=True),
        sa.Column("apiserver_port", sa.Integer(), nullable=True),
        sa.Column("docker_volume_size", sa.Integer(), nullable=True),
        sa.Column("docker_storage_driver", sa.Text(), nullable=True),
        sa.Column("cluster_distro", sa.Text(), nullable=True),
        sa.Column("http_proxy", sa.Text(), nullable=True),
        sa.Column("https_proxy", sa.Text(), nullable=True),
        sa.Column("no_proxy", sa.Text(), nullable=True),
        sa.Column("volume_driver", sa.Text(), nullable=True),
        sa.Column("registry_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("insecure_registry", sa.Text(), nullable=True),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("tls_disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("server_type", sa.Text(), server_default="vm", nullable=False),
        sa.Column("master_lb_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("floating_ip_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("driver", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cluster_templates")),
        sa.UniqueConstraint("uuid", name=op.f("uq_cluster_templates_uuid")),
    )
    op.create_index(op.f("ix_cluster_templates_project_id"), "cluster_templates", ["project_id"], unique=False)
    op.create_index(
        "ix_cluster_templates_public", "cluster_templates", ["public"], unique=False, postgresql_where=sa.text("public")
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("routing_key", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("queue", "message_id", name=op.f("uq_dead_letters_queue_message_id")),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=True),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("publish_attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_events_lease_whole")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("cluster_id", "sequence", name=op.f("uq_events_cluster_id_sequence")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
    )
    op.create_index("ix_events_project_id", "events", ["project_id", "seq"], unique=False)
    op.create_index(
        "ix_events_unpublished", "events", ["seq"], unique=False, postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "operations",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("cluster_name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column(
            "params", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("step_reason", sa.Text(), nullable=True),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("follow_up", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL)", name=op.f("ck_operations_running_is_leased")
        ),
        sa.CheckConstraint(
            "(state IN ('queued', 'running', 'waiting')) = (finished_at IS NULL)",
            name=op.f("ck_operations_final_has_its_time"),
        ),
        sa.CheckConstraint(
            "kind IN ('create', 'delete', 'resize', 'upgrade', 'update', 'rotate_ca', 'rotate_credentials')",
            name=op.f("ck_operations_kind_known"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_operations_state_known"),
        ),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_operations_lease_whole")),
        sa.PrimaryKeyConstraint("uuid", name=op.f("pk_operations")),
    )
    op.create_index("ix_operations_cluster_id_created_at", "operations", ["cluster_id", "created_at"], unique=False)
    op.create_index(
        "ix_operations_due",
        "operations",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'waiting')"),
    )
    op.create_index(
        "ix_operations_leased",
        "operations",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(op.f("ix_operations_project_id"), "operations", ["project_id"], unique=False)
    op.create_index(
        "uq_operations_one_live_per_cluster",
        "operations",
        ["cluster_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running', 'waiting')"),
    )
    op.create_table(
        "quotas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quotas")),
        sa.UniqueConstraint("project_id", "resource", name=op.f("uq_quotas_project_id_resource")),
    )
    op.create_table(
        "service_heartbeats",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("beats", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_service_heartbeats")),
    )
    op.create_table(
        "bus_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("routing_key", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("deliveries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_bus_messages_lease_whole")),
        sa.ForeignKeyConstraint(["queue"], ["bus_queues.name"], name=op.f("fk_bus_messages_queue"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bus_messages")),
    )
    op.create_index("ix_bus_messages_queue_id", "bus_messages", ["queue", "id"], unique=False)
    op.create_table(
        "clusters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("cluster_template_id", sa.Text(), nullable=False),
        sa.Column("driver", sa.Text(), nullable=False),
        sa.Column("coe", sa.Text(), nullable=False),
        sa.Column("keypair", sa.Text(), nullable=True),
        sa.Column("ssh_public_key", sa.Text(), nullable=True),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("flavor_id", sa.Text(), nullable=True),
        sa.Column("master_flavor_id", sa.Text(), nullable=True),
        sa.Column("docker_volume_size", sa.Integer(), nullable=True),
        sa.Column("create_timeout", sa.Integer(), nullable=True),
        sa.Column("discovery_url", sa.Text(), nullable=True),
        sa.Column("fixed_network", sa.Text(), nullable=True),
        sa.Column("fixed_subnet", sa.Text(), nullable=True),
        sa.Column("floating_ip_enabled", sa.Boolean(), nullable=False),
        sa.Column("master_lb_enabled", sa.Boolean(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("health_status", sa.Text(), nullable=True),
        sa.Column(
            "health_status_reason",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("api_address", sa.Text(), nullable=True),
        sa.Column("coe_version", sa.Text(), nullable=True),
        sa.Column("container_version", sa.Text(), nullable=True),
        sa.Column("stack_id", sa.Text(), nullable=True),
        sa.Column(
            "base_outputs",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("event_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('CREATE_IN_PROGRESS', 'CREATE_COMPLETE', 'CREATE_FAILED', 'UPDATE_IN_PROGRESS', 'UPDATE_COMPLETE', 'UPDATE_FAILED', 'DELETE_IN_PROGRESS', 'DELETE_COMPLETE', 'DELETE_FAILED')",
            name=op.f("ck_clusters_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["cluster_template_id"],
            ["cluster_templates.uuid"],
            name=op.f("fk_clusters_cluster_template_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clusters")),
        sa.UniqueConstraint("uuid", name=op.f("uq_clusters_uuid")),
    )
    op.create_index(op.f("ix_clusters_cluster_template_id"), "clusters", ["cluster_template_id"], unique=False)
    op.create_index("ix_clusters_name", "clusters", ["name"], unique=False)
    op.create_index("ix_clusters_project_id_id", "clusters", ["project_id", "id"], unique=False)
    op.create_table(
        "operation_steps",
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "output", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.uuid"], name=op.f("fk_operation_steps_operation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operation_id", "name", name=op.f("pk_operation_steps")),
    )
    op.create_table(
        "cluster_secrets",
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.uuid"], name=op.f("fk_cluster_secrets_cluster_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("cluster_id", "kind", name=op.f("pk_cluster_secrets")),
    )
    op.create_table(
        "nodegroups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("flavor_id", sa.Text(), nullable=True),
        sa.Column("image_id", sa.Text(), nullable=True),
        sa.Column("docker_volume_size", sa.Integer(), nullable=True),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("node_count", sa.Integer(), nullable=False),
        sa.Column("min_node_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_node_count", sa.Integer(), nullable=True),
        sa.Column(
            "node_labels",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "node_taints",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("stack_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('CREATE_IN_PROGRESS', 'CREATE_COMPLETE', 'CREATE_FAILED', 'UPDATE_IN_PROGRESS', 'UPDATE_COMPLETE', 'UPDATE_FAILED', 'DELETE_IN_PROGRESS', 'DELETE_COMPLETE', 'DELETE_FAILED')",
            name=op.f("ck_nodegroups_status_known"),
        ),
        sa.CheckConstraint("node_count >= 0", name=op.f("ck_nodegroups_node_count_not_negative")),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.uuid"], name=op.f("fk_nodegroups_cluster_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodegroups")),
        sa.UniqueConstraint("cluster_id", "name", name=op.f("uq_nodegroups_cluster_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_nodegroups_uuid")),
    )
    op.create_table(
        "nodes",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("nodegroup_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("server_id", sa.Text(), nullable=True),
        sa.Column("ip_address", sa.Text(), nullable=True),
        sa.Column("floating_ip", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column("credential_hash", sa.Text(), nullable=True),
        sa.Column(
            "health", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_report_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'creating', 'announced', 'joined', 'failed', 'removing')",
            name=op.f("ck_nodes_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.uuid"], name=op.f("fk_nodes_cluster_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["nodegroup_id"], ["nodegroups.uuid"], name=op.f("fk_nodes_nodegroup_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name=op.f("pk_nodes")),
        sa.UniqueConstraint("nodegroup_id", "index", name=op.f("uq_nodes_nodegroup_id_index")),
    )
    op.create_index(op.f("ix_nodes_cluster_id"), "nodes", ["cluster_id"], unique=False)
    op.create_index("ix_nodes_cluster_id_state", "nodes", ["cluster_id", "state"], unique=False)
    op.create_table(
        "node_commands",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "args", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.CheckConstraint("(finished_at IS NULL) = (ok IS NULL)", name=op.f("ck_node_commands_finished_has_a_result")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.uuid"], name=op.f("fk_node_commands_node_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_commands")),
    )
    op.create_index(op.f("ix_node_commands_node_id"), "node_commands", ["node_id"], unique=False)
    # The transaction that wrote an event: readers page by (tx, seq), because sequence order is not commit order.
    op.execute("ALTER TABLE events ADD COLUMN tx xid8 NOT NULL DEFAULT pg_current_xact_id()")
    op.execute("CREATE INDEX ix_events_tx_seq ON events (tx, seq)")


def downgrade() -> None:
    op.drop_index(op.f("ix_node_commands_node_id"), table_name="node_commands")
    op.drop_table("node_commands")
    op.drop_index("ix_nodes_cluster_id_state", table_name="nodes")
    op.drop_index(op.f("ix_nodes_cluster_id"), table_name="nodes")
    op.drop_table("nodes")
    op.drop_table("nodegroups")
    op.drop_table("cluster_secrets")
    op.drop_table("operation_steps")
    op.drop_index("ix_clusters_project_id_id", table_name="clusters")
    op.drop_index("ix_clusters_name", table_name="clusters")
    op.drop_index(op.f("ix_clusters_cluster_template_id"), table_name="clusters")
    op.drop_table("clusters")
    op.drop_index("ix_bus_messages_queue_id", table_name="bus_messages")
    op.drop_table("bus_messages")
    op.drop_table("service_heartbeats")
    op.drop_table("quotas")
    op.drop_index(
        "uq_operations_one_live_per_cluster",
        table_name="operations",
        postgresql_where=sa.text("state IN ('queued', 'running', 'waiting')"),
    )
    op.drop_index(op.f("ix_operations_project_id"), table_name="operations")
    op.drop_index("ix_operations_leased", table_name="operations", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(
        "ix_operations_due", table_name="operations", postgresql_where=sa.text("state IN ('queued', 'waiting')")
    )
    op.drop_index("ix_operations_cluster_id_created_at", table_name="operations")
    op.drop_table("operations")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_events_unpublished", table_name="events", postgresql_where=sa.text("published_at IS NULL"))
    op.drop_index("ix_events_project_id", table_name="events")
    op.drop_table("events")
    op.drop_table("dead_letters")
    op.drop_index("ix_cluster_templates_public", table_name="cluster_templates", postgresql_where=sa.text("public"))
    op.drop_index(op.f("ix_cluster_templates_project_id"), table_name="cluster_templates")
    op.drop_table("cluster_templates")
    op.drop_table("bus_queues")
