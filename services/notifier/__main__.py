"""`python -m services.notifier`: delivers events to webhooks."""

from __future__ import annotations

import asyncio

from services.notifier.claims import Claims
from services.notifier.dispatcher import Dispatcher
from services.notifier.egress import Egress, own_broadcasts
from services.notifier.fan_out import FanOut
from services.notifier.handlers import CHANNELS, Handlers
from services.notifier.outcomes import Outcomes
from services.notifier.receiver import Tools
from services.notifier.retention import sweep_regularly
from services.notifier.sender import Sender
from shared.domain.ids import new_id
from shared.pki.sealing import Sealer
from shared.runtime.service import Kernel, running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.logging import configure_logging
from shared.webhooks.targets import TargetPolicy


async def main() -> None:
    settings = Settings()
    configure_logging("notifier", level=settings.log_level, fmt=settings.log_format)
    stop = StopSignal()
    stop.install()
    egress = Egress(TargetPolicy.of(settings, own_broadcasts()), ca_file=settings.webhooks.ca_file)
    try:
        async with running_kernel("notifier", settings, stop) as kernel:
            await _deliver(kernel, egress)
    finally:
        egress.close()


async def _deliver(kernel: Kernel, egress: Egress) -> None:
    settings = kernel.settings
    webhooks = settings.webhooks
    claims = Claims(kernel.database, new_id(), seconds=webhooks.lease_seconds)
    outcomes = Outcomes(kernel.database, claims.token)
    tools = Tools(
        claims=claims,
        outcomes=outcomes,
        sender=Sender(egress, timeout_seconds=webhooks.timeout_seconds),
        sealer=Sealer(settings.secret_keys),
        settings=webhooks,
        places=asyncio.Semaphore(webhooks.process_concurrency),
    )
    dispatcher = Dispatcher(tools, lease_seconds=webhooks.lease_seconds, poll_seconds=settings.poll_seconds)
    fan_out = FanOut(kernel.database, poll_seconds=settings.poll_seconds)
    kernel.spawn(fan_out.run(), "fan-out")
    kernel.spawn(outcomes.run(), "outcomes")
    kernel.spawn(dispatcher.run(), "dispatcher")
    kernel.spawn(sweep_regularly(kernel.database, webhooks.retention_days), "retention")
    kernel.spawn(kernel.database.listen(CHANNELS, Handlers(fan_out, dispatcher)), "webhook listener")
    try:
        await serve_work(kernel, runner=None, consumers={})
    finally:
        await dispatcher.drain(settings.shutdown_seconds)


if __name__ == "__main__":
    asyncio.run(main())
