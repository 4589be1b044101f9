"""Which errors say that the database is away."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.api.wire.translation import translated
from shared.db.away import is_away


def wrapped(error: Exception) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        PoolTimeout(),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        InterfaceError("SELECT 1", {}, Exception("connection is closed")),
        wrapped(asyncpg.InternalClientError("unexpected message")),
        wrapped(asyncpg.CrashShutdownError("crash")),
        wrapped(asyncpg.IdleInTransactionSessionTimeoutError("terminating connection")),
    ],
    ids=lambda error: type(getattr(error, "orig", None) or error).__name__,
)
def test_the_database_is_away(error: Exception) -> None:
    assert is_away(error)
    answer = translated(error)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedTableError("relation does not exist"),
        asyncpg.UniqueViolationError("duplicate key"),
        ProgrammingError("SELECT x", {}, asyncpg.UndefinedColumnError("column does not exist")),
        KeyError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_database_is_there(error: Exception) -> None:
    assert not is_away(error)
