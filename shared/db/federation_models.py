"""Federations: records of clusters that belong together.

Rule: a federation refers only to existing clusters. Members are rows with a foreign key, so a deleted cluster is
removed from its federations automatically.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created, Json, one_of
from shared.domain.states import CLUSTER_STATUSES


class Federation(Base):
    """Field names are Magnum's; its statuses are those of clusters."""

    __tablename__ = "federations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    project_id: Mapped[str] = mapped_column(index=True)
    hostcluster_id: Mapped[str | None] = mapped_column(ForeignKey("clusters.uuid", ondelete="SET NULL"), index=True)
    status: Mapped[str]
    status_reason: Mapped[str | None]
    properties: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Created]
    updated_at: Mapped[datetime | None]

    __table_args__ = (one_of("status", CLUSTER_STATUSES),)


class FederationMember(Base):
    """`id` preserves the order in which members were added."""

    __tablename__ = "federation_members"

    federation_id: Mapped[str] = mapped_column(ForeignKey("federations.uuid", ondelete="CASCADE"), primary_key=True)
    cluster_id: Mapped[str] = mapped_column(
        ForeignKey("clusters.uuid", ondelete="CASCADE"), primary_key=True, index=True
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity())
