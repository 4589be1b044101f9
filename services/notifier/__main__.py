"""`python -m services.notifier`: delivers events to webhooks."""

from __future__ import annotations

import asyncio

from services.notifier.service import Notifier
from shared.pki.stored_keys import KeyCheck
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.logging import configure_logging


async def main() -> None:
    settings = Settings()
    configure_logging("notifier", level=settings.log_level, fmt=settings.log_format, burst=settings.log_burst)
    stop = StopSignal()
    stop.install()
    async with running_kernel("notifier", settings, stop) as kernel:
        notifier = Notifier(kernel.database, settings)
        for name, work in notifier.work().items():
            kernel.spawn(work, name)
        try:
            checks = {"keys": KeyCheck(kernel.database, notifier.tools.sealer)}
            await serve_work(kernel, runner=None, consumers={}, extra_checks=checks)
        finally:
            await notifier.drain(settings.shutdown_seconds)


if __name__ == "__main__":
    asyncio.run(main())
