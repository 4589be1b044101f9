"""The lifecycle of a service process: start in order, become ready, drain within a time limit, stop.

Rule: the start order is drivers, database, bus, relay and listener, work; the stop order is the reverse. Work that is
still running at the end of the time limit is returned (leases are released, deliveries requeued). All consumers stop
concurrently, so the limit does not depend on their number.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from sqlalchemy import text

from shared.bus.contract import Bus, Consumer, Handler, Message, QueueSpec, Verdict
from shared.bus.factory import make_bus
from shared.db.engine import Database
from shared.domain.clock import unfollow
from shared.domain.errors import TemporaryError
from shared.domain.ids import new_id
from shared.events.log import CHANNEL as EVENTS_CHANNEL
from shared.events.relay import Relay
from shared.operations.runner import Runner
from shared.operations.start import CHANNEL as OPERATIONS_CHANNEL
from shared.runtime.database_clock import follow_database, keep_following
from shared.runtime.drivers import choose_drivers
from shared.runtime.health import Check, health_app
from shared.runtime.memory import keep_what_is_there
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.spans import Kind, recording_spans, span
from shared.telemetry.trace import HEADER, in_trace, parse_trace

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 30.0
START_SECONDS = 120.0


@dataclass(slots=True)
class Kernel:
    """The running components of every service: the database, the bus and the relay."""

    settings: Settings
    database: Database
    bus: Bus
    relay: Relay
    stop: StopSignal
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a background task until the service stops. If it ends unexpectedly, the process exits with 1."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._side_task_ended)
        self.tasks.append(task)
        return task

    def _side_task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.stop.is_set():
            return
        log.error("service.side_task_ended", task=task.get_name(), exc_info=task.exception())
        self.stop.fail()

    def checks(self) -> dict[str, Check]:
        return {"database": self.database.ping, "bus": self.bus.check}


@asynccontextmanager
async def running_kernel(service: str, settings: Settings, stop: StopSignal) -> AsyncIterator[Kernel]:
    """Start the kernel, and stop it in reverse order at the end of the block.

    Raises:
        SystemExit: status 1, after the stop, if the process had to give up.
    """
    choose_drivers(settings)
    pooler = settings.database_pooler_url
    database = Database(
        settings.database_url.get_secret_value(),
        pooler_url=pooler.get_secret_value() if pooler else None,
        application_name=f"jeroboam.{service}",
        pool_size=settings.database_pool_size,
    )
    amqp_url = settings.amqp_url.get_secret_value() if settings.amqp_url else None
    bus = make_bus(amqp_url, database, name=f"jeroboam.{service}")
    relay = Relay(database, bus)
    kernel = Kernel(settings, database, bus, relay, stop)
    recorded = AsyncExitStack()
    await recorded.enter_async_context(recording_spans(service))
    try:
        clock_differs = await _until_reachable(database, bus, stop)
        kernel.spawn(relay.run(), "relay")
        kernel.spawn(database.listen([EVENTS_CHANNEL], lambda _channel: relay.wake()), "event listener")
        kernel.spawn(_heartbeat(database, service), "heartbeat")
        kernel.spawn(keep_following(database, told=clock_differs), "clock")
        yield kernel
    finally:
        for task in kernel.tasks:
            task.cancel()
        await asyncio.gather(*kernel.tasks, return_exceptions=True)
        with suppress(Exception):
            async with asyncio.timeout(3):
                await relay.flush()
        await bus.close()
        await database.close()
        await recorded.aclose()
        unfollow()
    if stop.failed:
        raise SystemExit(1)


async def _until_reachable(database: Database, bus: Bus, stop: StopSignal) -> bool:
    """Wait up to START_SECONDS for the broker and a migrated database, because processes can start in any order.

    Returns:
        Whether this machine's clock differs from the database's.
    """
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while not stop.is_set():
        try:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1 FROM alembic_version"))
            differs = await follow_database(database)
            await bus.start()
            return differs
        except Exception as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            known = isinstance(error, (OSError, TemporaryError, TimeoutError))
            log.warning("service.waiting", error=str(error).splitlines()[0] if str(error) else repr(error), known=known)
            await asyncio.sleep(0.5)
    return False


async def _heartbeat(database: Database, service: str) -> None:
    process = new_id()
    host = f"{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            async with database.transaction() as session:
                await session.execute(
                    text(
                        "INSERT INTO service_heartbeats (process_id, service, host) VALUES (:process, :service, :host) "
                        "ON CONFLICT (process_id) DO UPDATE SET beat_at = now(), beats = service_heartbeats.beats + 1"
                    ),
                    {"process": process, "service": service, "host": host},
                )
        except Exception as error:
            log.warning("heartbeat.missed", error=str(error))
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def serve_work(
    kernel: Kernel,
    *,
    runner: Runner | None,
    consumers: Mapping[QueueSpec, Handler],
    extra_checks: Mapping[str, Check] | None = None,
) -> None:
    """Consume messages and run operations until the process stops, then drain.

    Args:
        runner: runs operations; None for services without operations.
        consumers: queue -> handler.
        extra_checks: additional readiness checks.
    """
    settings, stop = kernel.settings, kernel.stop
    checks = kernel.checks() | dict(extra_checks or {})
    running: list[Consumer] = []
    work: list[asyncio.Task[None]] = []
    health = await _serve_health(settings, checks, stop)
    try:
        if runner is not None:
            work.append(kernel.spawn(runner.run(), "runner"))
            work.append(
                kernel.spawn(
                    kernel.database.listen([OPERATIONS_CHANNEL], lambda _channel: runner.wake()), "operation listener"
                )
            )
        for queue, handler in consumers.items():
            running.append(await kernel.bus.consume(queue, in_trace_of_message(handler)))
        keep_what_is_there()
        log.info("service.ready")
        await stop.wait()
    finally:
        for task in work:
            task.cancel()
        grace = settings.shutdown_seconds
        ending = [consumer.stop(grace) for consumer in running]
        if runner is not None:
            ending.append(runner.drain(grace))
        await asyncio.gather(*ending, return_exceptions=True)
        await _stop_health(health)
        log.info("service.stopped")


def in_trace_of_message(handler: Handler) -> Handler:
    """`handler`, which works in the trace of each message instead of that of whoever delivered it."""

    async def handle(message: Message) -> Verdict:
        trace = parse_trace(message.headers.get(HEADER))
        about = {"messaging.operation.name": "process", "messaging.message.id": message.id}
        with in_trace(trace), span(f"process {message.routing_key}", Kind.CONSUMER, about) as found:
            verdict = await handler(message)
            found.set("jeroboam.verdict", verdict.value)
            return verdict

    return handle


_Health = tuple[uvicorn.Server, asyncio.Task[None]]


async def _serve_health(settings: Settings, checks: Mapping[str, Check], stop: StopSignal) -> _Health | None:
    if not settings.service_port:
        return None
    app = health_app(checks, draining=stop.is_set)
    config = uvicorn.Config(
        app, host=settings.service_host, port=settings.service_port, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    # uvicorn must not handle the process's signals.
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    return server, asyncio.create_task(server.serve())


async def _stop_health(health: _Health | None) -> None:
    if health is None:
        return
    server, task = health
    server.should_exit = True
    await asyncio.wait([task], timeout=3)
