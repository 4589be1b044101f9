"""The bus: what carries events between services. Two transports keep this one contract, under one test suite.

Rule: publishing is confirmed or raises; a delivery is settled exactly once by the verdict of its handler. Duplicates
and reordering are normal. A handler is quick: it commits what it must and returns; no delivery is held while a
cluster builds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from shared.domain.errors import JeroboamError


class Unroutable(JeroboamError):
    """A mandatory message that no queue is bound for."""


class Refused(JeroboamError):
    """A message the broker would not take (a queue that is full, most likely)."""


class Verdict(Enum):
    """What a handler says of a delivery."""

    DONE = "done"
    FAILED = "failed"  # counts toward the delivery limit; after it, the dead letters
    LATER = "later"  # not now, not its fault: does not count where the broker can tell the difference
    DEAD = "dead"  # will never succeed: straight to the dead letters


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    routing_key: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    mandatory: bool = False
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue. `bindings` are topic patterns (`*` one word, `#` any number)."""

    name: str
    bindings: tuple[str, ...]
    delivery_limit: int = 10
    dead_letters: bool = False  # the queue that dead letters end in


Handler = Callable[[Message], Awaitable[Verdict]]


class Consumer(Protocol):
    async def stop(self, grace: float = 10.0) -> None:
        """Take no new delivery, hand back what was not begun, wait `grace` seconds for what was."""
        ...


class Bus(Protocol):
    async def start(self) -> None:
        """Connect and declare the topology. Raises TemporaryError while the broker is away."""
        ...

    async def publish(self, messages: Sequence[Message]) -> list[JeroboamError | None]:
        """Publish and wait for confirmation.

        Returns:
            One entry per message: None (confirmed), Unroutable or Refused.

        Raises:
            TemporaryError: the broker is away or did not confirm in time; some messages may have arrived.
        """
        ...

    async def consume(self, queue: QueueSpec, handler: Handler, *, prefetch: int = 10) -> Consumer:
        """Deliver messages of `queue` to `handler`, at most `prefetch` at once, until the consumer is stopped."""
        ...

    async def check(self) -> None:
        """Readiness. Raises TemporaryError while the broker is away."""
        ...

    async def close(self) -> None: ...
