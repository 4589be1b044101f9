"""`python -m services.monitor`: stores dead letters, consumes OpenStack's notifications, fails overdue operations."""

from __future__ import annotations

import asyncio

from services.monitor.handlers import DeadLetters
from services.monitor.openstack import OpenStackEvents
from services.monitor.overdue import watch
from shared.bus import topology
from shared.bus.notifications import NotificationListener
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.logging import configure_logging


async def main() -> None:
    settings = Settings()
    configure_logging("monitor", level=settings.log_level, fmt=settings.log_format)
    stop = StopSignal()
    stop.install()
    async with running_kernel("monitor", settings, stop) as kernel:
        if settings.openstack_notification_url is not None:
            listener = NotificationListener(
                settings.openstack_notification_url.get_secret_value(),
                settings.openstack_notification_exchanges,
                OpenStackEvents(kernel.database),
            )
            kernel.spawn(listener.run(), "openstack notifications")
        kernel.spawn(watch(kernel.database), "overdue operations")
        await serve_work(kernel, runner=None, consumers={topology.DEAD: DeadLetters(kernel.database)})


if __name__ == "__main__":
    asyncio.run(main())
