"""`python -m services.provisioner`: create and delete clusters."""

from __future__ import annotations

import asyncio

from services.provisioner.context import Context
from services.provisioner.handlers import Handlers
from services.provisioner.plan import CreatePlan, DeletePlan
from shared.bus import topology
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.stack_list import StackList
from shared.operations.runner import Runner
from shared.pki.sealing import Sealer
from shared.runtime.logging import configure_logging
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.settings import Settings
from shared.runtime.stopping import StopSignal


async def main() -> None:
    settings = Settings()
    configure_logging("provisioner", level=settings.log_level, fmt=settings.log_format)
    stop = StopSignal()
    stop.install()
    clouds = OpenStackCloudFactory(settings.cloud)
    try:
        async with running_kernel("provisioner", settings, stop) as kernel:
            context = Context(
                settings=settings,
                database=kernel.database,
                clouds=clouds,
                stacks=StackList(clouds),
                sealer=Sealer(settings.secret_keys),
            )
            runner = Runner(
                kernel.database,
                [CreatePlan(context), DeletePlan(context)],
                lease_seconds=settings.lease_seconds,
                poll_seconds=settings.poll_seconds,
                concurrency=settings.operation_concurrency,
            )
            handlers = Handlers(kernel.database, runner.wake, context.stacks.expire)
            await serve_work(
                kernel,
                runner=runner,
                consumers={topology.PROVISIONER: handlers},
                extra_checks={"cloud": clouds.check},
            )
    finally:
        await clouds.close()


if __name__ == "__main__":
    asyncio.run(main())
