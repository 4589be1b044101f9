"""Tokens with which a Prometheus server reads the targets of a project.

Rule: only the SHA-256 hash of a token is stored. A token outlives the session of the user who created it, and ends when
it is deleted or expires.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created


class PrometheusToken(Base):
    __tablename__ = "prometheus_tokens"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[str]
    user_id: Mapped[str]
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime | None]  # null: never
    last_used_at: Mapped[datetime | None]  # written at most once a minute
    created_at: Mapped[Created]

    __table_args__ = (Index("ix_prometheus_tokens_project_id_id", "project_id", "id"),)
