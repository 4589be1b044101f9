"""Reads a Magnum database (MySQL, MariaDB, PostgreSQL or SQLite) of any release since Train (9.0).

Rule: the schema is read from the database, because releases add and remove columns (23.0 removed trusts; `driver` and
node labels were added); a missing column reads as null. Nothing is written, and everything is read in one transaction,
so that it is consistent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, Table, create_engine, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from shared.domain.errors import PermanentError

NEEDED = ("cluster_template", "cluster", "nodegroup")
OPTIONAL = ("quotas", "federation", "x509keypair")
# Text columns that contain JSON.
ENCODED = frozenset(
    {"labels", "health_status_reason", "node_addresses", "node_labels", "node_taints", "member_ids", "properties"}
)
CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of Magnum's database; a column that its release does not have is None."""

    values: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    @property
    def uuid(self) -> str:
        return str(self["uuid"])

    def time(self, column: str) -> datetime | None:
        """A timestamp; Magnum stores UTC without a time zone."""
        value = self[column]
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert moment is None or isinstance(moment, datetime)
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Source:
    """Everything read from a Magnum database, oldest rows first."""

    templates: Sequence[SourceRow]
    clusters: Sequence[SourceRow]
    nodegroups: Mapping[str, Sequence[SourceRow]]  # by cluster UUID
    quotas: Sequence[SourceRow]
    federations: Sequence[SourceRow]
    key_pairs: Mapping[str, SourceRow]  # by UUID


async def read_source(url: SecretStr) -> Source:
    """Read the database at `url`, an SQLAlchemy URL as in magnum.conf.

    Raises:
        PermanentError: the database does not exist, is not a Magnum database, or is too old.
    """
    where = _parsed(url)
    try:
        if where.get_backend_name() == "postgresql":
            engine = create_async_engine(where, connect_args={"timeout": CONNECT_SECONDS})
            try:
                async with engine.connect() as connection:
                    return await connection.run_sync(_read)
            finally:
                await engine.dispose()
        return await asyncio.to_thread(_read_at, where)
    except (SQLAlchemyError, OSError) as error:
        # The driver's own message; SQLAlchemy's repeats the statement.
        raise PermanentError(f"{_safe(where)}: {getattr(error, 'orig', None) or error}") from None


def _parsed(url: SecretStr) -> URL:
    try:
        where = make_url(url.get_secret_value())
        drivers = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+asyncpg"}
        backend = where.get_backend_name()
        if backend not in {*drivers, "sqlite"}:
            raise PermanentError(f"{backend} is not a database that Magnum supports")
        where = where.set(drivername=drivers.get(backend, "sqlite"))
        # Parameters of oslo.db and character set names of other drivers are ignored; those for TLS are kept.
        return where.set(query={name: value for name, value in where.query.items() if name.startswith("ssl_")})
    except (ArgumentError, NoSuchModuleError):
        example = "mysql+pymysql://user:password@host/magnum"
        raise PermanentError(f"--database is not a database URL such as {example}") from None


def _safe(where: URL) -> str:
    return where.render_as_string(hide_password=True)


def _read_at(where: URL) -> Source:
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").is_file():
        # SQLite would create the file.
        raise PermanentError(f"{where.database}: no such file")
    try:
        arguments = {"timeout" if where.get_backend_name() == "sqlite" else "connect_timeout": CONNECT_SECONDS}
        engine = create_engine(where, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise PermanentError(f"{error}: install jeroboam[magnum-import]") from None
    try:
        with engine.connect() as connection:
            return _read(connection)
    finally:
        engine.dispose()


def _read(connection: Connection) -> Source:
    present = set(inspect(connection).get_table_names())
    missing = [name for name in NEEDED if name not in present]
    if missing:
        raise PermanentError(
            f"no table {', '.join(missing)}: this is not a Magnum database, or it is older than Train (9.0); "
            "upgrade it with magnum-db-manage first"
        )
    names = [name for name in (*NEEDED, *OPTIONAL) if name in present]
    tables = MetaData()
    tables.reflect(connection, only=names)
    rows = {name: _rows(connection, tables.tables[name]) for name in names}
    nodegroups: dict[str, list[SourceRow]] = {}
    for group in rows["nodegroup"]:
        nodegroups.setdefault(group["cluster_id"], []).append(group)
    return Source(
        templates=rows["cluster_template"],
        clusters=rows["cluster"],
        nodegroups=nodegroups,
        quotas=rows.get("quotas", []),
        federations=rows.get("federation", []),
        key_pairs={pair.uuid: pair for pair in rows.get("x509keypair", [])},
    )


def _rows(connection: Connection, table: Table) -> list[SourceRow]:
    found = connection.execute(select(table).order_by(table.c.id)).mappings()
    return [SourceRow({name: _decoded(name, value) for name, value in row.items()}) for row in found]


def _decoded(column: str, value: Any) -> Any:
    if column not in ENCODED or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
