"""Named points in the code at which a fault test can stop or kill the process.

Rule: in production no point is active, and a point costs one dictionary lookup. `JEROBOAM_CRASH_AT=name[:n]` kills the
process with SIGKILL when the point is reached for the n-th time, so that no handler runs, as in a power failure.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_armed, _, _nth = os.environ.get("JEROBOAM_CRASH_AT", "").partition(":")
_seen: Counter[str] = Counter()


async def reached(name: str) -> None:
    """Mark a point. Kills the process if the environment says so."""
    if name != _armed:
        return
    _seen[name] += 1
    if _seen[name] == int(_nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
