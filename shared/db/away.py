"""What the driver raises while the database is away.

Rule: a server that is killed ends connections at any point of the protocol, so the driver's own errors about its
connections and their state count as well as those of the network and the server.
"""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Classes of SQLSTATE: connections, resources, operator intervention and crashes, errors of the system.
_AWAY_CLASSES = frozenset({"08", "53", "57", "58"})
IDLE_TIMEOUT = "25P03"  # the process was suspended within a transaction
_LOST = (OSError, TimeoutError, PoolTimeout, asyncpg.InterfaceError, asyncpg.InternalClientError)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be used now, and a retry may succeed."""
    if isinstance(error, DBAPIError):
        original = error.orig
        return error.connection_invalidated or original is None or is_away(original) or _state(original) == ""
    return isinstance(error, _LOST) or _state(error)[:2] in _AWAY_CLASSES or _state(error) == IDLE_TIMEOUT


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")
