"""Maps exceptions to error responses.

Rule: this is a pure function. Temporary errors return 503 with Retry-After; values that Postgres cannot store return
400; only unexpected exceptions return 500, without internal details.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from services.api.wire.errors import ApiError
from shared.db.away import IDLE_TIMEOUT, is_away
from shared.domain.errors import Conflict, NotFound, PermanentError, TemporaryError
from shared.pki.sealing import SealingError

_UNEXPECTED = "An unexpected error prevented the server from fulfilling your request."
_DATABASE = "The database is not available; try again."


def translated(error: BaseException) -> ApiError:
    """The error response for `error`."""
    match error:
        case ApiError():
            return error
        case HTTPException():
            return ApiError(error.status_code, str(error.detail), headers=error.headers)
        case Conflict():
            return ApiError(409, str(error))
        case NotFound():
            return ApiError(404, str(error))
        case SealingError():  # the request is valid: a key is missing, or the database was modified
            return ApiError(500, _UNEXPECTED)
        case PermanentError():
            return ApiError(400, str(error))
        case TemporaryError():
            return ApiError(503, str(error), headers={"Retry-After": str(max(1, round(error.delay or 5)))})
        case DBAPIError():
            return _database(str(getattr(error.orig, "sqlstate", None) or ""))
        case _ if is_away(error):
            return ApiError(503, _DATABASE, headers={"Retry-After": "5"})
        case _ if hasattr(error, "sqlstate"):
            return _database(str(error.sqlstate or ""))
    return ApiError(500, _UNEXPECTED)


def _database(sqlstate: str) -> ApiError:
    # Class 22 is invalid data, which only a request can contain; 40 is a conflict; the others are temporary.
    if sqlstate[:2] == "22":
        return ApiError(400, "The request contains a value that cannot be stored")
    if sqlstate[:2] in {"", "08", "40", "53", "57"} or sqlstate in {"55P03", IDLE_TIMEOUT}:
        return ApiError(503, _DATABASE, headers={"Retry-After": "5"})
    if sqlstate == "23505":
        return ApiError(409, "Conflict.")
    return ApiError(500, _UNEXPECTED)
