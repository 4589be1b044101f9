"""Statistics of requests to the simulated cloud: counts for tests, times for benchmarks.

Rule: counts are stored per route, not per request. Times are stored only for stack creations, for the newest 10,000.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

KEPT_TIMES = 10_000


class RequestLog:
    """Counts by service, method and route; the time of each stack creation asked for."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str, int]] = Counter()
        self.stack_posts: dict[str, float] = {}

    def count(self, service: str, method: str, route: str, status: int) -> None:
        """Count a request."""
        self.counts[(service, method, route, status)] += 1

    def stack_post(self, name: str) -> None:
        """Store the time of a stack creation, in seconds since the epoch."""
        self.stack_posts.setdefault(name, time.time())
        while len(self.stack_posts) > KEPT_TIMES:
            self.stack_posts.pop(next(iter(self.stack_posts)))

    def clear(self) -> None:
        """Count from zero."""
        self.counts.clear()
        self.stack_posts.clear()

    def shown(self) -> dict[str, Any]:
        """The counts since the start or the last `clear`."""
        lines = [
            {"service": service, "method": method, "route": route, "status": status, "count": count}
            for (service, method, route, status), count in sorted(self.counts.items())
        ]
        first = min(self.stack_posts.values(), default=None)
        return {
            "total": self.counts.total(),
            "requests": lines,
            "first_stack_post": first,
            "stack_posts": self.stack_posts,
        }
