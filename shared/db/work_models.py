"""Operations, their steps, and the event log.

Rule: the indexes and CHECKs enforce the concurrency rules. A partial unique index allows one live operation per
cluster; a lease has both a token and a time, or neither; a final state has a timestamp.
`tests/integration/kernel/test_schema.py` reads them from the catalog of a migrated database.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created, Json, both_or_neither, one_of
from shared.domain.states import LIVE, OperationState

_LIVE = ", ".join(f"'{state}'" for state in sorted(LIVE))


class Operation(Base):
    """A long-running request on a cluster. No foreign key to the cluster, because operations are kept as history."""

    __tablename__ = "operations"

    uuid: Mapped[str] = mapped_column(primary_key=True)
    cluster_id: Mapped[str]
    cluster_name: Mapped[str]
    project_id: Mapped[str] = mapped_column(index=True)
    user_id: Mapped[str]
    kind: Mapped[str]  # an OperationKind; no CHECK, so that a new kind needs no migration
    state: Mapped[str] = mapped_column(server_default=OperationState.QUEUED.value)
    params: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    step: Mapped[str | None]
    step_reason: Mapped[str | None]
    done: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    total: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # failed attempts of the current step
    retries: Mapped[int] = mapped_column(server_default=text("0"))  # number of retries of the failed operation
    reason: Mapped[str | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    # Operations that were accepted while this one is live; they start in order when it ends (shared.operations.queue).
    follow_up: Mapped[Json | None]
    # The nodegroups that it concerns; null: all nodegroups of the cluster.
    nodegroup_ids: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    revision: Mapped[int] = mapped_column(
        server_default=text("0")
    )  # increases when a later request joins this operation
    request_id: Mapped[str | None]
    trace: Mapped[str | None]  # W3C traceparent of the request that asked for it last
    deadline_at: Mapped[datetime | None]
    next_attempt_at: Mapped[Created]
    progressed_at: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[Created]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("state", OperationState),
        CheckConstraint(f"(state IN ({_LIVE})) = (finished_at IS NULL)", name="final_has_its_time"),
        both_or_neither("lease_token", "lease_until", "lease_whole"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="running_is_leased"),
        Index(
            "uq_operations_one_live_per_cluster",
            "cluster_id",
            unique=True,
            postgresql_where=text(f"state IN ({_LIVE})"),
        ),
        Index(
            "ix_operations_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('queued', 'waiting')"),
        ),
        Index("ix_operations_leased", "lease_until", postgresql_where=text("state = 'running'")),
        Index("ix_operations_cluster_id_created_at", "cluster_id", "created_at"),
        Index("ix_operations_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )


class OperationStep(Base):
    """The result of a step of an operation. A finished step is skipped when the operation resumes."""

    __tablename__ = "operation_steps"

    operation_id: Mapped[str] = mapped_column(ForeignKey("operations.uuid", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    output: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    started_at: Mapped[Created]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """The event log: outbox, audit trail, and source of SSE.

    Readers order by `position`, which follows the order of commits (`shared.events.numbering`); that of `seq` does not.
    """

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    position: Mapped[int | None] = mapped_column(BigInteger)  # null until a reader has numbered it
    # The version before reads by `tx`, which the migration creates, because `xid8` has no SQLAlchemy type.
    id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    project_id: Mapped[str]
    cluster_id: Mapped[str | None]
    operation_id: Mapped[str | None]
    sequence: Mapped[int | None] = mapped_column(BigInteger)  # without gaps, per cluster
    data: Mapped[Json]
    trace: Mapped[str | None]
    time: Mapped[Created]
    published_at: Mapped[datetime | None]
    publish_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        both_or_neither("lease_token", "lease_until", "lease_whole"),
        UniqueConstraint("cluster_id", "sequence"),
        Index("ix_events_unpublished", "seq", postgresql_where=text("published_at IS NULL")),
        Index("ix_events_project_id", "project_id", "seq"),
        Index("uq_events_position", "position", unique=True, postgresql_where=text("position IS NOT NULL")),
        Index(
            "ix_events_project_id_position",
            "project_id",
            "position",
            postgresql_where=text("position IS NOT NULL"),
        ),
        Index("ix_events_unnumbered", "seq", postgresql_where=text("position IS NULL")),
    )


class EventCounter(Base):
    """The position of the newest numbered event. One row, locked while events are numbered."""

    __tablename__ = "event_counter"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default=text("1"))
    last_position: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class DeadLetter(Base):
    """A message that no consumer could process, kept for inspection and replay."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    message_id: Mapped[str]
    queue: Mapped[str]
    routing_key: Mapped[str]
    headers: Mapped[Json]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    created_at: Mapped[Created]
    replayed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("queue", "message_id"),)


class IdempotencyKey(Base):
    """The response to a POST with an `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    project_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int]
    body: Mapped[Json]
    headers: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Created]

    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)


class Quota(Base):
    __tablename__ = "quotas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    project_id: Mapped[str]
    resource: Mapped[str]
    hard_limit: Mapped[int]
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("project_id", "resource"),)


class ServiceHeartbeat(Base):
    """A running process of a service."""

    __tablename__ = "service_heartbeats"

    process_id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    host: Mapped[str]
    started_at: Mapped[Created]
    beat_at: Mapped[Created]
    beats: Mapped[int] = mapped_column(server_default=text("1"))


class LogReader(Base):
    """How far a reader has come that sends what it reads of the event log elsewhere. One process at a time reads."""

    __tablename__ = "log_readers"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (both_or_neither("lease_token", "lease_until", "lease_whole"),)
