"""Rates: token buckets by key, in memory, of a bounded number of keys.

Rule: a key that was not used for long has a full bucket, so the least recently used ones can be forgotten.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST_KEYS = 50_000


class Buckets:
    """Args:
    rate: what a key may take in a second, in the long run.
    burst: what it may take at once.
    most_keys: keys that are remembered.
    clock: seconds.
    """

    def __init__(
        self, rate: float, burst: float, *, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._most_keys = most_keys
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: Hashable) -> float:
        """Take one. Returns 0, or how many seconds remain until one can be taken; then none was."""
        now = self._clock()
        level = self._level(key, now)
        if level < 1.0:
            return (1.0 - level) / self._rate
        self._levels[key] = (level - 1.0, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._most_keys:
            self._levels.popitem(last=False)
        return 0.0

    def wait(self, key: Hashable) -> float:
        """As `take`, but takes none."""
        return max(0.0, 1.0 - self._level(key, self._clock())) / self._rate

    def _level(self, key: Hashable, now: float) -> float:
        level, since = self._levels.get(key, (self._burst, now))
        return min(self._burst, level + (now - since) * self._rate)
