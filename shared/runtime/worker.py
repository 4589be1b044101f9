"""The process of a service that runs operations.

Rule: such services differ only in their plans and their queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.bus.contract import QueueSpec
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.stack_list import StackList
from shared.operations.plan import Plan
from shared.operations.runner import Runner
from shared.pki.sealing import Sealer
from shared.pki.stored_keys import KeyCheck
from shared.runtime.handlers import Handlers
from shared.runtime.health import Check
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.steps.context import StepContext
from shared.telemetry.logging import configure_logging


async def run_worker(service: str, queue: QueueSpec, plans: Sequence[Callable[[StepContext], Plan]]) -> None:
    """Consume `queue` and run operations until a signal stops the process.

    Args:
        service: name of the service, for logs and the heartbeat.
        plans: one for each operation kind of the service.
    """
    settings = Settings()
    configure_logging(service, level=settings.log_level, fmt=settings.log_format, burst=settings.log_burst)
    stop = StopSignal()
    stop.install()
    clouds = OpenStackCloudFactory(settings.cloud)
    try:
        async with running_kernel(service, settings, stop) as kernel:
            sealer = Sealer(settings.secret_keys)
            context = StepContext(
                settings=settings,
                database=kernel.database,
                clouds=clouds,
                stacks=StackList(clouds),
                sealer=sealer,
            )
            runner = Runner(
                kernel.database,
                [plan(context) for plan in plans],
                lease_seconds=settings.lease_seconds,
                poll_seconds=settings.poll_seconds,
                concurrency=settings.operation_concurrency,
            )
            handlers = Handlers(kernel.database, runner.wake, context.stacks)
            checks: dict[str, Check] = {"cloud": clouds.check, "keys": KeyCheck(kernel.database, sealer)}
            try:
                await serve_work(kernel, runner=runner, consumers={queue: handlers}, extra_checks=checks)
            finally:
                await handlers.close()
    finally:
        await clouds.close()
