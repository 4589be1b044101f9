"""The `netns` hypervisor: runs the servers of the simulated Nova as machines that share this kernel.

Rule: a machine knows nothing but its user data, which real cloud-init reads, and reaches the API only through the relay
in its own namespace. Starting and ending a machine takes time, so one task per machine does it, in order.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from sandbox.netns import spaces
from sandbox.netns.fabric import Fabric, gateway_of
from sandbox.netns.machine import SERIAL, RunningMachine
from sandbox.netns.relay import Relay, Route
from sandbox.netns.rootfs import ensure_root
from sandbox.nodes.user_data import read_user_data
from sandbox.openstack.hypervisor import Machine

if TYPE_CHECKING:
    from sandbox.openstack.cloud import SimulatedCloud

log = structlog.get_logger(__name__)
FOLLOW_SECONDS = 0.3


class NetnsHypervisor:
    """Args:
    directory: for the machines' files, on a file system that is not an overlay.
    prefix: what the names of namespaces begin with; at most 5 characters.
    layer: a directory whose files all machines have on top of the shared root.

    Raises:
        RuntimeError: not root on Linux, or the base root could not be built.
    """

    def __init__(self, directory: Path, prefix: str | None = None, layer: Path | None = None) -> None:
        if os.geteuid() != 0 or not Path("/run").is_dir():
            raise RuntimeError("the netns hypervisor needs root on Linux")
        self._base = f"{layer}:{ensure_root()}" if layer else str(ensure_root())
        self._directory = directory
        self.prefix = prefix or f"j{os.getpid() % 10000}"
        self._fabric: Fabric | None = None
        self._running: dict[str, RunningMachine] = {}
        self._relays: dict[str, Relay] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._follower: asyncio.Task[None] | None = None

    def attach(self, cloud: SimulatedCloud) -> None:
        """Give it the cloud whose servers it runs; once, before any of them starts."""
        self._cloud = cloud
        self._fabric = Fabric(cloud, self.prefix)

    def start(self, machine: Machine) -> None:
        """Start the machine after everything that is still being done for it."""
        self._then(machine.id, lambda: self._start(machine))

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """End the machine; its files are deleted if it is `gone`."""
        self._then(machine_id, lambda: self._stop(machine_id, gone=gone))

    def console(self, machine_id: str) -> str:
        """What the machine wrote to its console."""
        file = self._directory / machine_id / SERIAL
        return file.read_text(errors="replace") if file.exists() else ""

    async def close(self) -> None:
        """End all machines and networks."""
        for machine_id in list(self._running):
            self.stop(machine_id, gone=True)
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
        if self._fabric is not None:
            await self._fabric.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _then(self, machine_id: str, make: Callable[[], object]) -> None:
        before = self._work.get(machine_id)

        async def run() -> None:
            if before is not None:
                await asyncio.wait([before])
            try:
                await make()  # type: ignore[misc]
            except Exception as error:
                log.error("netns.machine.failed", machine=machine_id, error=str(error), exc_info=True)

        task = asyncio.get_running_loop().create_task(run(), name=f"netns {machine_id}")
        self._work[machine_id] = task
        if self._follower is None:
            self._follower = asyncio.get_running_loop().create_task(self._follow(), name="netns fabric")

    async def _follow(self) -> None:
        assert self._fabric is not None
        while True:
            try:
                await self._fabric.follow()
            except Exception as error:
                log.warning("netns.fabric.later", error=str(error))
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _start(self, machine: Machine) -> None:
        settings = read_user_data(machine.user_data)
        port = next(iter(self._cloud.neutron.state.ports.where("device_id", machine.id)), None)
        if settings is None or port is None or machine.id in self._running:
            return
        assert self._fabric is not None
        subnet = self._fabric.subnet(port["network_id"])
        length = subnet["cidr"].partition("/")[2]
        space = f"{self.prefix}m{machine.id[:8]}"
        network = self._fabric.network(port["network_id"])
        await asyncio.to_thread(
            spaces.add_machine,
            space,
            network,
            addresses=tuple(f"{address}/{length}" for address in machine.addresses),
            gateway=gateway_of(subnet),
            port=f"p{machine.id[:8]}",
        )
        url = urlsplit(settings.url)
        relay = Relay(Route(space, "127.0.0.1", url.port or 80, None, ((url.hostname or "", url.port or 80),)))
        await relay.start()
        self._relays[machine.id] = relay
        place = self._directory / machine.id
        self._running[machine.id] = await asyncio.to_thread(RunningMachine, machine, space, place, self._base)
        log.info("netns.machine.started", machine=machine.id, name=machine.name, space=space)

    async def _stop(self, machine_id: str, *, gone: bool) -> None:
        running = self._running.pop(machine_id, None)
        if (relay := self._relays.pop(machine_id, None)) is not None:
            await relay.close()
        if running is not None:
            await asyncio.to_thread(running.end, gone=gone)
            await asyncio.to_thread(spaces.remove, running.space)
        if gone:
            self._work.pop(machine_id, None)
