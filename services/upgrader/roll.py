"""Whose turn it is in a rolling change: pure, from what each node has behind it.

Rule: never more than `batch` nodes are away at once, and after the first failure no other node is begun: what broke one
node would break the next. Those already begun are waited for, so that no node is left half done unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a node is. `sent` of its `actions` were given out, `finished` of those ended well."""

    actions: int
    sent: int = 0
    finished: int = 0
    failure: str | None = None

    @property
    def done(self) -> bool:
        return self.failure is None and self.finished == self.actions

    @property
    def away(self) -> bool:
        """Begun, and neither done nor failed."""
        return self.failure is None and self.sent > 0 and not self.done


@dataclass(frozen=True, slots=True)
class Turn:
    """`send`: nodes whose next action is to be given out now. `over`: nothing is left to wait for."""

    send: Sequence[str]
    done: Sequence[str]
    failures: Mapping[str, str] = field(default_factory=dict)
    over: bool = False


def next_turn(order: Sequence[str], progress: Mapping[str, Progress], batch: int) -> Turn:
    """Decide what to give out.

    Args:
        order: the nodes, in the order in which they are to be begun.
        progress: how far each of them is.
        batch: the most nodes that may be away at once, at least 1.
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
