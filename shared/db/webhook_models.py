"""Webhooks, their deliveries and the attempts of each delivery.

Rule: a delivery is keyed by webhook and event, so an event that is read twice is delivered once more at most to a
receiver that ignores `webhook-id`. A process that sends for a webhook holds the lease on its row; every outcome that it
writes names the token. `revision` increases with every change by a user, so that a sender notices it.
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
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created, Json, both_or_neither, one_of

FORMATS = ("structured", "plain")
DELIVERY_STATES = ("pending", "delivered", "failed")


def _texts() -> Mapped[list[str]]:
    """A list of texts; empty: no restriction."""
    return mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))


class Webhook(Base):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[str]
    user_id: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    url: Mapped[str]
    event_types: Mapped[list[str]] = _texts()
    type_likes: Mapped[list[str]] = _texts()  # the same as patterns of LIKE, for the statement that fans out
    cluster_ids: Mapped[list[str]] = _texts()
    outcomes: Mapped[list[str]] = _texts()
    format: Mapped[str] = mapped_column(server_default="structured")
    ordered: Mapped[bool] = mapped_column(server_default=text("false"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]  # set if the service disabled it, null if a user paused it
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    # Both secrets are encrypted (shared.pki.sealing). The old one also signs until `old_secret_until`.
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    old_secret_until: Mapped[datetime | None]
    # What is known about the receiver (services.notifier.health).
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # attempts that failed since the last success
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_success_at: Mapped[datetime | None]
    troubled: Mapped[bool] = mapped_column(server_default=text("false"))  # a recovery will be announced
    recovered_at: Mapped[datetime | None]  # set while old deliveries are sent at a limited rate
    held_until: Mapped[datetime | None]
    # When a process should look at it; null: there is nothing to send.
    next_due: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("format", FORMATS),
        both_or_neither("lease_token", "lease_until", "lease_whole"),
        both_or_neither("old_secret", "old_secret_until", "old_secret_ends"),
        CheckConstraint("disabled_reason IS NULL OR NOT enabled", name="disabled_is_not_enabled"),
        Index("ix_webhooks_project_id_id", "project_id", "id"),
        Index("ix_webhooks_due", "next_due", postgresql_where=text("enabled AND next_due IS NOT NULL")),
        Index("ix_webhooks_leased", "lease_token", postgresql_where=text("lease_token IS NOT NULL")),
    )


class WebhookDelivery(Base):
    """One event for one webhook. The order of `id` is the order of a cluster's events."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True, server_default=text("gen_random_uuid()::text"))
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.uuid", ondelete="CASCADE"))
    event_id: Mapped[str]
    event_type: Mapped[str]
    cluster_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default=text("0"))  # position in the schedule
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # all attempts, also those before a redelivery
    due_at: Mapped[Created]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[Created]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("state", DELIVERY_STATES),
        CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="final_has_its_time"),
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_deliveries_pending", "webhook_id", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )


class WebhookAttempt(Base):
    """One request to a receiver, and its response; texts are cut."""

    __tablename__ = "webhook_attempts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    started_at: Mapped[Created]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str | None]
    request_headers: Mapped[Json]
    response_headers: Mapped[Json]
    response_body: Mapped[str]


class WebhookCursor(Base):
    """The position in the event log up to which deliveries exist. One row."""

    __tablename__ = "webhook_cursor"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default=text("1"))
    position: Mapped[int | None] = mapped_column(BigInteger)  # null: not yet translated from the two below
    # Where the version before is; unused otherwise.
    position_tx: Mapped[int] = mapped_column(BigInteger)
    position_seq: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
