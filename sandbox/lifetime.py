"""Children that end with their parent, even when the parent is killed and can tell nobody.

Rule: to be used as `preexec_fn` of a process started from a thread that lives as long as the program (Linux counts
the parent thread, not the process). Elsewhere than on Linux it does nothing.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """What the child runs before its program: ask the kernel for a signal when the parent is gone."""

    def ask() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask
