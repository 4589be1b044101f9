"""Metadata and column helpers shared by all tables.

Rule: constraint names are deterministic (Alembic and error handling use them), states are text with a CHECK, and all
times are `timestamptz`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import CheckConstraint, DateTime, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Json = dict[str, Any]
When = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text,
        Json: JSONB,
        list[str]: JSONB,
        list[Json]: JSONB,
        datetime: DateTime(timezone=True),
    }


def one_of(column: str, values: Any) -> CheckConstraint:
    """A CHECK that `column` is one of `values`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def both_or_neither(left: str, right: str, name: str) -> CheckConstraint:
    """A CHECK that two columns are either both set or both null, such as those of a lease."""
    return CheckConstraint(f"({left} IS NULL) = ({right} IS NULL)", name=name)
