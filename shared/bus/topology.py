"""The exchange and the queues, declared by the process that starts first.

Rule: queue names are versioned, because the arguments of an existing queue cannot be changed. Every process declares
the whole topology, so that events published before the first start of their consumer are queued.
"""

from __future__ import annotations

from shared.bus.contract import QueueSpec

EXCHANGE = "jeroboam.events"
DEAD_EXCHANGE = "jeroboam.dead"

PROVISIONER = QueueSpec(
    "jeroboam.provisioner.v1",
    ("cluster.create.requested.v1", "cluster.delete.requested.v1", "node.#", "stack.changed.v1"),
)
UPGRADER = QueueSpec(
    "jeroboam.upgrader.v1",
    ("cluster.upgrade.requested.v1", "cluster.rotate_ca.requested.v1", "cluster.rotate_credentials.requested.v1"),
)
SCALER = QueueSpec(
    "jeroboam.scaler.v1",
    ("cluster.resize.requested.v1", "nodegroup.*.requested.v1", "node.#", "stack.changed.v1"),
)
DEAD = QueueSpec("jeroboam.dead.v1", ("#",), dead_letters=True)

QUEUES = (PROVISIONER, SCALER, UPGRADER, DEAD)
