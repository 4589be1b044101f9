"""`python -m services.monitor`: health, servers of nodes, notifications, overdue operations, dead letters,
orphans, retention."""

from __future__ import annotations

import asyncio

from services.monitor.backlog import watch_backlog
from services.monitor.handlers import DeadLetters
from services.monitor.health import watch_health
from services.monitor.looks import Looks
from services.monitor.openstack import OpenStackEvents
from services.monitor.orphans import Sweeper
from services.monitor.overdue import watch
from services.monitor.quick_looks import QuickLooks
from services.monitor.retention import Retention
from services.monitor.silence import watch_silence
from shared.bus import topology
from shared.bus.notifications import NotificationListener, Source
from shared.cloud.sdk import OpenStackCloudFactory
from shared.pki.sealing import Sealer
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.logging import configure_logging


def sources(settings: Settings) -> list[Source]:
    """Where OpenStack's notifications come from: its RabbitMQ, and those of Nova's cells."""
    urls = [settings.openstack_notification_url, *settings.openstack_notification_more_urls]
    return [
        Source(
            url.get_secret_value(),
            settings.openstack_notification_exchanges,
            settings.openstack_notification_topics,
            settings.openstack_notification_queue,
        )
        for url in urls
        if url is not None
    ]


async def main() -> None:
    settings = Settings()
    configure_logging("monitor", level=settings.log_level, fmt=settings.log_format, burst=settings.log_burst)
    stop = StopSignal()
    stop.install()
    clouds = OpenStackCloudFactory(settings.cloud)
    try:
        async with running_kernel("monitor", settings, stop) as kernel:
            looks = Looks(kernel.database, clouds, Sealer(settings.secret_keys))
            quick = QuickLooks(kernel.database, clouds, Sealer(settings.secret_keys))
            events = OpenStackEvents(kernel.database, quick)
            for number, source in enumerate(sources(settings)):
                listener = NotificationListener(source, events, missed=looks.look_at_all)
                kernel.spawn(listener.run(), f"openstack notifications {number}")
            kernel.spawn(watch(kernel.database), "overdue operations")
            kernel.spawn(watch_backlog(kernel.database), "backlog")
            kernel.spawn(watch_silence(kernel.database, settings.heartbeat_seconds), "silent nodes")
            kernel.spawn(watch_health(kernel.database, settings), "health")
            kernel.spawn(looks.watch(), "servers")
            kernel.spawn(Sweeper(kernel.database, clouds, settings).watch(), "orphans")
            kernel.spawn(Retention(kernel.database, settings.retention).watch(), "retention")
            try:
                await serve_work(kernel, runner=None, consumers={topology.DEAD: DeadLetters(kernel.database)})
            finally:
                await quick.close()
    finally:
        await clouds.close()


if __name__ == "__main__":
    asyncio.run(main())
