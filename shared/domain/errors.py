"""The exceptions of Jeroboam.

Rule: code that calls external services translates their errors to these; code that handles errors uses only these.

    JeroboamError
     |- TemporaryError     a retry after `delay` may succeed
     |- PermanentError     a retry will not succeed
     |   |- NotFound       a resource does not exist
     |   `- DriverMissing  the driver of a cluster is not in use
     |- Conflict           the request contradicts the current state
     `- LostLease          another process has taken over the work: do not write
"""

from __future__ import annotations


class JeroboamError(Exception):
    """Base class of all exceptions of Jeroboam."""


class TemporaryError(JeroboamError):
    """An error that a retry may solve.

    Args:
        message: the original error message.
        delay: seconds to wait as requested by the service, or None to use the retry policy.
    """

    def __init__(self, message: str, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class PermanentError(JeroboamError):
    """An error that a retry will not solve."""


class NotFound(PermanentError):
    """The resource does not exist, or is not visible to the caller."""


class DriverMissing(PermanentError):
    """A row names a driver that is not installed, disabled, or cannot be loaded. The message states which and why."""


class LostLease(JeroboamError):
    """A fenced write found another owner. The work continues there and ends here without any further writes."""


class Conflict(JeroboamError):
    """The request contradicts the current state."""
