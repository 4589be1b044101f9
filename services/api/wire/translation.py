"""From what went wrong inside to what the caller is told.

Rule: a pure function, so each case is a line in a test. What may pass is 503 with Retry-After; text Postgres cannot
store is the caller's mistake (400); only what nobody foresaw is 500, and it never shows its insides.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from services.api.wire.errors import ApiError
from shared.domain.errors import Conflict, NotFound, PermanentError, TemporaryError

_UNEXPECTED = "An unexpected error prevented the server from fulfilling your request."
_DATABASE = "The database does not answer now; try again."


def translated(error: BaseException) -> ApiError:
    """The refusal that tells the caller of `error`."""
    match error:
        case ApiError():
            return error
        case HTTPException():
            return ApiError(error.status_code, str(error.detail), headers=error.headers)
        case Conflict():
            return ApiError(409, str(error))
        case NotFound():
            return ApiError(404, str(error))
        case PermanentError():
            return ApiError(400, str(error))
        case TemporaryError():
            return ApiError(503, str(error), headers={"Retry-After": str(max(1, round(error.delay or 5)))})
        case DBAPIError():
            return _database(str(getattr(error.orig, "sqlstate", None) or ""))
        case PoolTimeout() | TimeoutError() | OSError():
            return ApiError(503, _DATABASE, headers={"Retry-After": "5"})
        case _ if hasattr(error, "sqlstate"):
            return _database(str(error.sqlstate or ""))
    return ApiError(500, _UNEXPECTED)


def _database(sqlstate: str) -> ApiError:
    # Class 22 is bad data, which only a request can bring; 08, 53, 57 and 55P03 say "not now"; 40 lost a race.
    if sqlstate[:2] == "22":
        return ApiError(400, "The request holds a value that cannot be stored")
    if sqlstate[:2] in {"", "08", "40", "53", "57"} or sqlstate == "55P03":
        return ApiError(503, _DATABASE, headers={"Retry-After": "5"})
    if sqlstate == "23505":
        return ApiError(409, "Conflict.")
    return ApiError(500, _UNEXPECTED)
