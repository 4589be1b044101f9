"""Limits what callers hold open: event streams and long polls.

Rule: whoever opens something takes a place before the response begins, and gives it back when it has ended. A limit
that is reached is a 429 that names its setting. The counts are those of this process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.api.wire.errors import ApiError
from shared.settings import StreamSettings

RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Limit:
    """Args: most: places; setting: its name in `JEROBOAM_STREAMS__*`."""

    most: int
    setting: str


class Places:
    """Args:
    what: the things that are counted, for the message.
    limits: kind of holder (`user`, `project`, ...) -> its limit.
    """

    def __init__(self, what: str, limits: Mapping[str, Limit]) -> None:
        self._what = what
        self._limits = limits
        self._held: Counter[tuple[str, str]] = Counter()

    def take(self, **holders: str) -> Callable[[], None]:
        """Take a place for each holder, by its kind. Returns what gives them back, once.

        Raises:
            ApiError: 429.
        """
        keys = list(holders.items())
        for kind, holder in keys:
            limit = self._limits[kind]
            if self._held[kind, holder] >= limit.most:
                raise ApiError(
                    429,
                    f"Too many {self._what}. One {kind} may have {limit.most} open (streams.{limit.setting}).",
                    headers={"Retry-After": str(RETRY_SECONDS)},
                )
        self._held.update(keys)

        def release() -> None:
            while keys:
                key = keys.pop()
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]

        return release

    def held(self) -> int:
        """The number of counters that are not zero, which is 0 if nothing is open."""
        return len(self._held)


def stream_places(settings: StreamSettings) -> Places:
    return Places(
        "event streams",
        {
            "user": Limit(settings.max_per_user, "max_per_user"),
            "project": Limit(settings.max_per_project, "max_per_project"),
            "process": Limit(settings.max_per_process, "max_per_process"),
        },
    )


def poll_places(settings: StreamSettings) -> Places:
    return Places(
        "long polls",
        {
            "node": Limit(settings.max_polls_per_node, "max_polls_per_node"),
            "process": Limit(settings.max_polls_per_process, "max_polls_per_process"),
        },
    )
