"""Which node is next in a rolling change: a pure function of each node's progress.

Rule: at most `batch` nodes are in progress at once, and after the first failure no further node is started, since it
would probably fail too. Nodes already in progress are waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """A node's progress: `sent` of its `actions` have been sent, and `finished` of those have succeeded."""

    actions: int
    sent: int = 0
    finished: int = 0
    failure: str | None = None

    @property
    def done(self) -> bool:
        return self.failure is None and self.finished == self.actions

    @property
    def away(self) -> bool:
        """Started, and neither done nor failed."""
        return self.failure is None and self.sent > 0 and not self.done


@dataclass(frozen=True, slots=True)
class Turn:
    """`send`: nodes whose next action is to be sent now. `over`: no node is in progress and none will be started."""

    send: Sequence[str]
    done: Sequence[str]
    failures: Mapping[str, str] = field(default_factory=dict)
    over: bool = False


def next_turn(order: Sequence[str], progress: Mapping[str, Progress], batch: int) -> Turn:
    """Decide what to send.

    Args:
        order: the nodes, in the order in which they are started.
        progress: of each of them.
        batch: the maximum number of nodes in progress at once, at least 1.
    """
    away = [node for node in order if progress[node].away]
    failures = {node: reason for node in order if (reason := progress[node].failure) is not None}
    done = [node for node in order if progress[node].done]
    send = [node for node in away if progress[node].sent == progress[node].finished]
    if not failures:
        fresh = (node for node in order if progress[node].sent == 0 and not progress[node].done)
        send += [node for node, _ in zip(fresh, range(max(0, batch - len(away))), strict=False)]
    over = not away and (bool(failures) or len(done) == len(order))
    return Turn(send, done, failures, over)


def careful_batch(count: int) -> int:
    """How many of `count` nodes may be away at once where the request does not say: a tenth of them, from 1 to 50."""
    return max(1, min(50, count // 10))
