"""How often CPython's garbage collector looks for cycles.

Rule: reference counts free most objects; the collector is only for cycles. By default it looks at the young objects
after 700 allocations, and again and again at all of them: hundreds of thousands in a process with the OpenStack SDK or
with thousands of streams. This was a sixth of the CPU time of a start, and two thirds of that of sending events.
"""

from __future__ import annotations

import gc

# So many more objects than were freed let the young ones be looked at. Cycles of so many objects take a few MiB.
YOUNG = 50_000


def collect_rarely() -> None:
    """Look for cycles less often. Called before a process imports what it needs."""
    gc.set_threshold(YOUNG, 10, 10)


def keep_what_is_there() -> None:
    """Never look at the objects that exist now. Called when a process has started."""
    gc.collect()
    gc.freeze()
