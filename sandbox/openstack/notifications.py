"""The notifications that the simulated services send to a RabbitMQ, in the form and with the names of the real ones.

Rule: as in OpenStack, sending is at most once and delays no request: while the broker is away, notifications wait in a
bounded queue. Services only call `Tell`, which does nothing in a cloud without a broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from sandbox.openstack.store import Row, new_id, public
from shared.bus.oslo import ERROR, INFO, encode
from shared.domain.errors import JeroboamError

log = structlog.get_logger(__name__)
MOST_WAITING = 10_000
VERSIONED = "versioned_notifications"
PLAIN = "notifications"


@dataclass(frozen=True, slots=True)
class Told:
    """One notification: the service's exchange, the topic, and what it says."""

    exchange: str
    topic: str
    publisher_id: str
    event_type: str
    payload: dict[str, Any]
    level: str = INFO


Tell = Callable[[Told], None]


def tell_nobody(_: Told) -> None:
    """The notifications of a cloud without a broker."""


class Notifications:
    """Args: url: the broker's."""

    def __init__(self, url: str) -> None:
        # The AMQP client takes a tenth of a second to import, and a cloud without a broker never needs it.
        from shared.bus.oslo_publisher import OsloPublisher

        self._publisher = OsloPublisher(url, declare=True)
        self._waiting: asyncio.Queue[tuple[Told, datetime]] = asyncio.Queue(MOST_WAITING)

    def __call__(self, told: Told) -> None:
        """Send it soon; it is lost if too many wait."""
        if not self._waiting.full():
            self._waiting.put_nowait((told, datetime.now(UTC)))

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                told, moment = await self._waiting.get()
                body = encode(
                    told.event_type,
                    told.payload,
                    message_id=new_id(),
                    publisher_id=told.publisher_id,
                    level=told.level,
                    moment=moment,
                )
                try:
                    await self._publisher.send(told.exchange, [told.topic], told.level, body)
                except JeroboamError as error:
                    log.warning("notification lost", event_type=told.event_type, error=str(error))
        finally:
            await self._publisher.close()


def server_told(row: Row, action: str, vm_state: str, *, level: str = INFO) -> Told:
    """Nova's versioned notification about a server: `instance.<action>`."""
    data = {
        "uuid": row["id"],
        "tenant_id": row["project_id"],
        "user_id": row["user_id"],
        "display_name": row["name"],
        "state": vm_state,
        "task_state": None,
        "metadata": row["metadata"],
        "launched_at": row.get("launched"),
        "host": "simulated",
        "request_id": None,
    }
    if action == "update":
        update = {"old_state": "active", "state": vm_state, "old_task_state": None, "new_task_state": None}
        data["state_update"] = _object("InstanceStateUpdatePayload", update)
    elif level == ERROR:
        fault = {"exception": "InternalError", "exception_message": (row["fault"] or {}).get("message", "")}
        data["fault"] = _object("ExceptionPayload", fault)
    name = "InstanceUpdatePayload" if action == "update" else "InstanceActionPayload"
    return Told("nova", VERSIONED, "nova-compute:simulated", f"instance.{action}", _object(name, data), level)


def hostless_told(row: Row, reason: str) -> Told:
    """The conductor's notification that no host was found for a new server."""
    request = {"instance_uuid": row["id"], "project_id": row["project_id"], "num_instances": 1}
    data = {
        "instance_uuid": row["id"],
        "state": "error",
        "request_spec": _object("RequestSpecPayload", request),
        "reason": _object("ExceptionPayload", {"exception": "NoValidHost", "exception_message": reason}),
    }
    event = "compute_task.build_instances.error"
    return Told("nova", VERSIONED, "nova-conductor:simulated", event, _object("ComputeTaskPayload", data), ERROR)


def resource_told(kind: str, action: str, row: Row) -> Told:
    """Neutron's notification after a request of its API: `<kind>.<action>.end`."""
    payload: dict[str, Any] = {kind: public(row)}
    if action == "delete":
        payload[f"{kind}_id"] = row["id"]
    return Told("neutron", PLAIN, "network.simulated", f"{kind}.{action}.end", payload)


def stack_told(row: Row, action: str, status: str, reason: str) -> Told:
    """Heat's notification about a stack: started, complete or failed."""
    outcome = {"IN_PROGRESS": "start", "COMPLETE": "end", "FAILED": "error"}[status]
    payload = {
        "tenant_id": row["project_id"],
        "user_identity": row["user_id"],
        "username": "",
        "stack_identity": row["id"],
        "stack_name": row["name"],
        "state": f"{action}_{status}",
        "state_reason": reason,
        "created_at": row["created"],
        "updated_at": row["updated"],
        "tags": row.get("tags") or [],
        "description": "",
    }
    event = f"orchestration.stack.{action.lower()}.{outcome}"
    return Told("heat", PLAIN, "orchestration.simulated", event, payload, ERROR if status == "FAILED" else INFO)


def _object(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """A versioned object as Nova writes it."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": "1.0",
        "nova_object.data": data,
    }
