"""Named dangerous moments, where a fault test may stop or kill the process.

Rule: in production nothing is armed and a point costs one dictionary look-up. `JEROBOAM_CRASH_AT=name[:n]` kills
this process by SIGKILL when the point is reached the n-th time: no handler runs, exactly as in a power cut.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_armed, _, _nth = os.environ.get("JEROBOAM_CRASH_AT", "").partition(":")
_seen: Counter[str] = Counter()


async def reached(name: str) -> None:
    """Mark a point. Dies here when the environment says so."""
    if name != _armed:
        return
    _seen[name] += 1
    if _seen[name] == int(_nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
