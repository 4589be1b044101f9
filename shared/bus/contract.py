"""The contract of the bus, which delivers events between services. Both transports pass the same test suite.

Rule: publishing is confirmed or raises an exception; a delivery is settled exactly once, by the verdict of its handler.
Duplicates and reordering are normal. A handler commits its changes and returns quickly; no delivery is held during an
operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from shared.domain.errors import JeroboamError


class Unroutable(JeroboamError):
    """A mandatory message that is not routed to any queue."""


class Refused(JeroboamError):
    """A message that the broker rejected, probably because a queue is full."""


class Verdict(Enum):
    """The result of a handler for a delivery."""

    DONE = "done"
    FAILED = "failed"  # counts toward the delivery limit, after which the message becomes a dead letter
    LATER = "later"  # not now: held and retried with pauses, without counting toward the delivery limit
    DEAD = "dead"  # permanent: becomes a dead letter immediately


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
    dead_letters: bool = False  # the queue for dead letters


# An error that says that the database is away (shared.db.away) counts as LATER, any other one as FAILED.
Handler = Callable[[Message], Awaitable[Verdict]]


class Consumer(Protocol):
    async def stop(self, grace: float = 10.0) -> None:
        """Accept no new deliveries, requeue those not started, wait `grace` seconds for the others."""
        ...


class Bus(Protocol):
    async def start(self) -> None:
        """Connect and declare the topology. Raises TemporaryError while the broker is not available."""
        ...

    async def publish(self, messages: Sequence[Message]) -> list[JeroboamError | None]:
        """Publish and wait for confirmation.

        Returns:
            One entry per message: None (confirmed), Unroutable or Refused.

        Raises:
            TemporaryError: the broker is not available or did not confirm in time; messages may have been delivered.
        """
        ...

    async def consume(self, queue: QueueSpec, handler: Handler, *, prefetch: int = 10) -> Consumer:
        """Deliver messages of `queue` to `handler`, at most `prefetch` at once, until the consumer is stopped."""
        ...

    async def check(self) -> None:
        """Readiness check. Raises TemporaryError while the broker is not available."""
        ...

    async def close(self) -> None: ...
