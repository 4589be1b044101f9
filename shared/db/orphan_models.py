"""Resources in the cloud that no cluster has any more, and when each project was last searched for them.

Rule: a row is what the last search of the project found. A search is claimed by moving `sweep_at` into the future.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.declarative import Base, Created


class Orphan(Base):
    """A resource with the mark of a cluster that was deleted."""

    __tablename__ = "orphans"

    kind: Mapped[str] = mapped_column(primary_key=True)  # as in shared.cloud.leftovers.KINDS
    item_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    project_id: Mapped[str]
    cluster_id: Mapped[str]
    found_at: Mapped[Created]
    remove_at: Mapped[datetime | None]  # it is removed from then on; null: only on request
    failure: Mapped[str | None]  # why the last attempt to remove it failed

    __table_args__ = (Index("ix_orphans_project_id", "project_id"),)


class ProjectSweep(Base):
    """A project in which clusters were created."""

    __tablename__ = "project_sweeps"

    project_id: Mapped[str] = mapped_column(primary_key=True)
    sweep_at: Mapped[Created]

    __table_args__ = (Index("ix_project_sweeps_sweep_at", "sweep_at"),)
