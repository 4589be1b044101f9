"""Clusters, and their nodegroups, nodes and secrets.

Rule: a cluster's row contains the requested state (`spec` is the resolved snapshot, which does not change with the
template) and the current state. Deleting the row deletes its nodegroups, nodes and keys. Operations and events are kept
as history.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created, Json, one_of
from shared.domain.states import CLUSTER_STATUSES, Loss, NodeState


class ClusterTemplate(Base):
    """Field names and meanings are Magnum's."""

    __tablename__ = "cluster_templates"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]  # null after a patch removed it
    project_id: Mapped[str] = mapped_column(index=True)
    user_id: Mapped[str]
    coe: Mapped[str]
    image_id: Mapped[str]
    flavor_id: Mapped[str | None]
    master_flavor_id: Mapped[str | None]
    keypair_id: Mapped[str | None]
    external_network_id: Mapped[str | None]
    fixed_network: Mapped[str | None]
    fixed_subnet: Mapped[str | None]
    dns_nameserver: Mapped[str | None]
    network_driver: Mapped[str | None]
    apiserver_port: Mapped[int | None]
    docker_volume_size: Mapped[int | None]
    docker_storage_driver: Mapped[str | None]
    cluster_distro: Mapped[str | None]
    http_proxy: Mapped[str | None]
    https_proxy: Mapped[str | None]
    no_proxy: Mapped[str | None]
    volume_driver: Mapped[str | None]
    registry_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    insecure_registry: Mapped[str | None]
    labels: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    tls_disabled: Mapped[bool] = mapped_column(server_default=text("false"))
    public: Mapped[bool] = mapped_column(server_default=text("false"))
    hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    server_type: Mapped[str] = mapped_column(server_default="vm")
    master_lb_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    floating_ip_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    tags: Mapped[str | None]
    driver: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_cluster_templates_public", "public", postgresql_where=text("public")),)


class Cluster(Base):
    __tablename__ = "clusters"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    project_id: Mapped[str]
    user_id: Mapped[str]
    cluster_template_id: Mapped[str] = mapped_column(
        ForeignKey("cluster_templates.uuid", ondelete="RESTRICT"), index=True
    )
    driver: Mapped[str]  # as in Magnum's API: the driver of the default nodegroups when the cluster was created
    engine: Mapped[str]
    coe: Mapped[str]
    keypair: Mapped[str | None]
    ssh_public_key: Mapped[str | None]
    labels: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    flavor_id: Mapped[str | None]
    master_flavor_id: Mapped[str | None]
    docker_volume_size: Mapped[int | None]
    create_timeout: Mapped[int | None]  # minutes, as in Magnum; 0 or null: not set by the user
    discovery_url: Mapped[str | None]
    fixed_network: Mapped[str | None]
    fixed_subnet: Mapped[str | None]
    floating_ip_enabled: Mapped[bool]
    master_lb_enabled: Mapped[bool]
    spec: Mapped[Json]  # the resolved snapshot: template, network IDs, images (shared.operations.specs)
    status: Mapped[str]
    status_reason: Mapped[str | None]
    health_status: Mapped[str | None]
    health_status_reason: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    health_reported_at: Mapped[datetime | None]  # when a client wrote the health; null: it is measured
    # When the monitor measures the health, and looks at the servers in Nova; null: nothing has changed.
    measure_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]
    api_address: Mapped[str | None]
    coe_version: Mapped[str | None]
    container_version: Mapped[str | None]
    stack_id: Mapped[str | None]
    base_outputs: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    event_sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", CLUSTER_STATUSES),
        Index("ix_clusters_project_id_id", "project_id", "id"),
        Index("ix_clusters_name", "name"),
        Index("ix_clusters_measure_at", "measure_at", postgresql_where=text("measure_at IS NOT NULL")),
        Index("ix_clusters_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )


class Nodegroup(Base):
    __tablename__ = "nodegroups"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.uuid", ondelete="CASCADE"))
    project_id: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    flavor_id: Mapped[str | None]
    image_id: Mapped[str | None]  # of its nodes that are built from now on
    own_image: Mapped[bool] = mapped_column(server_default=text("false"))  # chosen for it: it does not follow templates
    operating_system: Mapped[str | None]  # names of drivers; null if Magnum created the nodes
    hardware: Mapped[str | None]
    docker_volume_size: Mapped[int | None]
    labels: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    node_count: Mapped[int]
    min_node_count: Mapped[int] = mapped_column(server_default=text("0"))
    max_node_count: Mapped[int | None]
    next_index: Mapped[int] = mapped_column(server_default=text("0"))  # index of its next node; never decreases
    node_labels: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    node_taints: Mapped[list[Json]] = mapped_column(server_default=text("'[]'::jsonb"))
    stack_id: Mapped[str | None]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    version: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("cluster_id", "name"),
        one_of("status", CLUSTER_STATUSES),
        CheckConstraint("node_count >= 0", name="node_count_not_negative"),
    )


class Node(Base):
    """A machine of a cluster. `index` is its number in the nodegroup and never reused; `shard` that of its stack."""

    __tablename__ = "nodes"

    uuid: Mapped[str] = mapped_column(primary_key=True)
    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.uuid", ondelete="CASCADE"), index=True)
    nodegroup_id: Mapped[str] = mapped_column(ForeignKey("nodegroups.uuid", ondelete="CASCADE"))
    name: Mapped[str]
    # Made when names were not unique, with the name of another node of the cluster; never true of a new row.
    shares_name: Mapped[bool] = mapped_column(server_default=text("false"))
    role: Mapped[str]
    index: Mapped[int]
    shard: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str | None]
    loss: Mapped[str | None]  # `shared.domain.states.Loss`
    server_id: Mapped[str | None]
    image_id: Mapped[str | None]  # its machine's, where the nodegroup has got another one since; null: the nodegroup's
    server_status: Mapped[str | None]  # Nova's, at the last look
    launched_at: Mapped[datetime | None]  # Nova's, of the machine that the agent runs on
    ip_address: Mapped[str | None]
    floating_ip: Mapped[str | None]
    version: Mapped[str | None]
    # SHA-256 hashes of the one-time token in user data, and of the credential that it was exchanged for.
    token_hash: Mapped[str | None]
    credential_hash: Mapped[str | None]
    # The command that removes the previous membership of a machine that was relaunched; it joins after it.
    removal_id: Mapped[str | None]
    silent: Mapped[bool] = mapped_column(server_default=text("false"))  # no report for three heartbeats
    health: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    announced_at: Mapped[datetime | None]
    joined_at: Mapped[datetime | None]
    last_report_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("state", NodeState),
        one_of("loss", Loss),
        CheckConstraint("loss IS NULL OR state IN ('failed', 'removing')", name="lost_has_failed"),
        UniqueConstraint("nodegroup_id", "index"),
        Index("uq_nodes_name_in_cluster", "cluster_id", "name", unique=True, postgresql_where=text("NOT shares_name")),
        Index("ix_nodes_cluster_id_state", "cluster_id", "state"),
        Index("ix_nodes_server_id", "server_id", postgresql_where=text("server_id IS NOT NULL")),
        Index("ix_nodes_last_report_at", "last_report_at", postgresql_where=text("state = 'joined' AND NOT silent")),
    )


class NodeCommand(Base):
    """A named action of the driver for one node's agent, and its result."""

    __tablename__ = "node_commands"

    id: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.uuid", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    args: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Created]
    delivered_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    ok: Mapped[bool | None]
    output: Mapped[str | None]
    results: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))  # what its hook wrote as data

    __table_args__ = (CheckConstraint("(finished_at IS NULL) = (ok IS NULL)", name="finished_has_a_result"),)


class NodeFact(Base):
    """A named output of a node (`jeroboam.driver.Fact`). `value` is encrypted if the engine declares it secret."""

    __tablename__ = "node_facts"

    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.uuid", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bool]
    updated_at: Mapped[Created]


class ClusterSecret(Base):
    """A CA, key pair or token of a cluster. `certificate` is public PEM; `secret` is encrypted (shared.pki.sealing)."""

    __tablename__ = "cluster_secrets"

    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.uuid", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    certificate: Mapped[str | None]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Created]
