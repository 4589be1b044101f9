"""The exchange and the queues, declared by the process that starts first.

Rule: queue names are versioned, because the arguments of an existing queue cannot be changed. Every process declares
the whole topology, so that events published before the first start of their consumer are queued.
"""

from __future__ import annotations

from shared.bus.contract import QueueSpec
from shared.domain.kinds import Service, kinds_of, operation_event

EXCHANGE = "jeroboam.events"
DEAD_EXCHANGE = "jeroboam.dead"
# What makes a waiting operation due.
_CHANGES = ("node.#", "stack.changed.v1")


def _requests(service: Service) -> tuple[str, ...]:
    """The events that ask a service for work."""
    return tuple(operation_event(kind, "requested") for kind in kinds_of(service))


PROVISIONER = QueueSpec("jeroboam.provisioner.v1", (*_requests(Service.PROVISIONER), *_CHANGES))
UPGRADER = QueueSpec("jeroboam.upgrader.v1", _requests(Service.UPGRADER))
SCALER = QueueSpec("jeroboam.scaler.v1", (*_requests(Service.SCALER), *_CHANGES))
DEAD = QueueSpec("jeroboam.dead.v1", ("#",), dead_letters=True)

QUEUES = (PROVISIONER, SCALER, UPGRADER, DEAD)
