"""The words for what goes wrong.

Rule: code that calls the outside world translates its errors into these; code that decides what follows reads only
these.

    JeroboamError
     |- TemporaryError     may pass: try again after `delay`
     |- PermanentError     will not pass by trying again
     |   `- NotFound       the thing named is not there
     |- Conflict           what was asked does not fit the present state
     `- LostLease          somebody else owns this work now: write nothing more
"""

from __future__ import annotations


class JeroboamError(Exception):
    """Base of everything Jeroboam raises on purpose."""


class TemporaryError(JeroboamError):
    """An obstacle that may pass.

    Args:
        message: what happened, in the words of the other side.
        delay: seconds the other side asked us to wait, or None to let the retry policy choose.
    """

    def __init__(self, message: str, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class PermanentError(JeroboamError):
    """An obstacle that trying again will not remove."""


class NotFound(PermanentError):
    """The thing named does not exist, or not for the one who asked."""


class LostLease(JeroboamError):
    """A fenced write found another owner. The work goes on elsewhere; here it ends without a trace."""


class Conflict(JeroboamError):
    """What was asked does not fit the state things are in now."""
