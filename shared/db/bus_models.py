"""Queues of the local bus, which replaces RabbitMQ in the sandbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created, Json, both_or_neither


class BusQueue(Base):
    __tablename__ = "bus_queues"

    name: Mapped[str] = mapped_column(primary_key=True)
    bindings: Mapped[list[str]]
    delivery_limit: Mapped[int]


class BusMessage(Base):
    __tablename__ = "bus_messages"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    queue: Mapped[str] = mapped_column(ForeignKey("bus_queues.name", ondelete="CASCADE"))
    message_id: Mapped[str]
    routing_key: Mapped[str]
    headers: Mapped[Json]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    deliveries: Mapped[int] = mapped_column(server_default=text("0"))
    available_at: Mapped[Created]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        both_or_neither("lease_token", "lease_until", "lease_whole"),
        Index("ix_bus_messages_queue_id", "queue", "id"),
    )
