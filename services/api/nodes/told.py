"""Nodes about which a project was told lately.

Rule: what somebody can repeat as often as they like is told once in a while.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

TELL_AGAIN = 3600.0  # seconds
_MOST_TOLD = 10_000


@dataclass(slots=True)
class Told:
    """Of this process; at most 10,000 nodes, of which the oldest are forgotten first."""

    _times: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def is_news(self, node_id: str) -> bool:
        """Whether nothing was told of the node for an hour; it counts as told from now on."""
        now = time.monotonic()
        if now - self._times.get(node_id, -TELL_AGAIN) < TELL_AGAIN:
            return False
        self._times[node_id] = now
        self._times.move_to_end(node_id)
        while len(self._times) > _MOST_TOLD:
            self._times.popitem(last=False)
        return True
