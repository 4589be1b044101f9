"""`python -m services.api`: the HTTP API."""

from __future__ import annotations

import asyncio

from services.api.app import create_app
from services.api.deps import make_deps
from services.api.server import serve
from shared.cloud.sdk import OpenStackCloudFactory
from shared.runtime.service import running_kernel
from shared.runtime.stopping import StopSignal
from shared.settings import Settings
from shared.telemetry.logging import configure_logging


async def main() -> None:
    settings = Settings()
    configure_logging("api", level=settings.log_level, fmt=settings.log_format, burst=settings.log_burst)
    stop = StopSignal()
    stop.install()
    clouds = OpenStackCloudFactory(settings.cloud)
    try:
        async with running_kernel("api", settings, stop) as kernel:
            deps = make_deps(settings, kernel.database, clouds, bus=kernel.bus)
            await serve(create_app(deps), deps, stop)
    finally:
        await clouds.close()


if __name__ == "__main__":
    asyncio.run(main())
