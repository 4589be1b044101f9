"""The simulated cloud as an ASGI application and as a server.

Rule: the cloud runs during its application's lifespan: state is read at its start; at its end, all tasks are stopped
and the state is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.nodes.fleet import Fleet
from sandbox.nodes.memory import NodeMemory
from sandbox.openstack.cloud import SimulatedCloud
from sandbox.openstack.config import NETNS, CloudConfig
from sandbox.openstack.faults import Faults
from sandbox.openstack.gateway import Gateway
from sandbox.openstack.hypervisor import Hypervisor, NoHypervisor
from sandbox.ports import free_port

START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunningCloud:
    """A cloud that is served at `url`, for code in the same process."""

    url: str
    cloud: SimulatedCloud

    @property
    def auth_url(self) -> str:
        """The value for OS_AUTH_URL."""
        return f"{self.url}/identity/v3"


def build_cloud(config: CloudConfig, hypervisor: Hypervisor | None = None) -> SimulatedCloud:
    """Create a cloud, by default with the hypervisor of its settings."""
    faults = Faults(config.seed)
    if config.hypervisor == NETNS:
        return _with_machines(config, faults)
    if hypervisor is None and config.agents:
        hypervisor = Fleet(NodeMemory(config.data_dir), faults, replace(config.nodes, scale=config.scale))
    return SimulatedCloud(config, faults, hypervisor or NoHypervisor())


def _with_machines(config: CloudConfig, faults: Faults) -> SimulatedCloud:
    from sandbox.netns.hypervisor import NetnsHypervisor  # it needs root on Linux

    machines = NetnsHypervisor(config.machines_directory, layer=config.machines_layer)
    cloud = SimulatedCloud(config, faults, machines)
    machines.attach(cloud)
    return cloud


def create_app(config: CloudConfig, hypervisor: Hypervisor | None = None) -> Starlette:
    """The ASGI application of a new cloud."""
    return app_of(build_cloud(config, hypervisor))


def app_of(cloud: SimulatedCloud) -> Starlette:
    """The ASGI application of a cloud that is not started yet."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        cloud.start()
        try:
            yield
        finally:
            await cloud.close()

    return Starlette(routes=[Mount("/", app=Gateway(cloud))], lifespan=lifespan)


def server_of(app: Starlette, host: str, port: int) -> uvicorn.Server:
    """A uvicorn server that logs nothing and stops without waiting for long polls."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    return uvicorn.Server(config)


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an application on a free loopback port during the context. Yields its URL."""
    port = free_port()
    server = server_of(app, "127.0.0.1", port)
    # The server must not handle the signals of the process.
    task = asyncio.create_task(server._serve(), name=f"server on port {port}")
    try:
        async with asyncio.timeout(START_SECONDS):
            # uvicorn signals its start only by a flag.
            while not server.started and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if task.done():
            task.result()
            raise OSError(f"the server did not start on port {port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def running(config: CloudConfig, hypervisor: Hypervisor | None = None) -> AsyncIterator[RunningCloud]:
    """Serve a cloud on a free loopback port during the context."""
    cloud = build_cloud(config, hypervisor)
    async with serving(app_of(cloud)) as url:
        yield RunningCloud(url, cloud)
