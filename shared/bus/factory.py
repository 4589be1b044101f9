"""Selects the transport: RabbitMQ if a URL is given, otherwise Postgres."""

from __future__ import annotations

from shared.bus.contract import Bus
from shared.bus.local import LocalBus
from shared.bus.topology import QUEUES
from shared.db.engine import Database


def make_bus(amqp_url: str | None, database: Database, *, name: str) -> Bus:
    """Args:
    amqp_url: URL of RabbitMQ, or None for the bus on `database`.
    name: name of the service, for the broker's list of connections.
    """
    if amqp_url:
        # The AMQP client takes a tenth of a second to import, and a process without a broker never needs it.
        from shared.bus.rabbit import RabbitBus

        return RabbitBus(amqp_url, QUEUES, name=name)
    return LocalBus(database, QUEUES)
