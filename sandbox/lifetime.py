"""Ends child processes when their parent ends, even if the parent is killed.

Rule: use this as `preexec_fn` of a process that is started from a thread that runs as long as the program (on Linux,
the parent is the thread, not the process). On other systems it does nothing.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return a function for the child that requests a signal from the kernel when the parent ends."""

    def ask() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask
