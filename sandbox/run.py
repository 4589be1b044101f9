"""The sandbox: all of Jeroboam and a simulated OpenStack on one machine, as real processes, without root.

Rule: the start order is Postgres, schema, cloud, services; the stop order is the reverse. Jeroboam's processes are
those used in production; only OpenStack and its hypervisor are simulated.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from sandbox.clouds import clouds_yaml
from sandbox.layout import Layout, load_layout, service_environment
from sandbox.openstack.config import SIMULATED
from sandbox.postgres import EmbeddedPostgres
from sandbox.processes import ChildProcess, Launch, launch_module
from sandbox.trusted import make_temporary_directory
from shared.db.migrate import migrate

READY_SECONDS = 150.0  # on a slow machine, where all processes compile their modules first


class Sandbox:
    """A running sandbox. Created by `running_sandbox`.

    Args:
        layout: ports and directories.
        extra_environment: process name -> additional settings (tests).
        faults_file: a fault script for the simulated cloud.
        hypervisor: what runs the cloud's servers: `simulated`, or `netns` (root on Linux).
        machines_layer: files that all `netns` machines have.
        heartbeat: seconds between the heartbeats of a node.
        restart: restart processes that exit unexpectedly.
        launch: how a process is started.
        postgres: the database to use; by default a server of the sandbox's own.
        beta_drivers: drivers that are used although they are beta.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        extra_environment: Mapping[str, Mapping[str, str]] | None = None,
        faults_file: Path | None = None,
        hypervisor: str = SIMULATED,
        machines_layer: Path | None = None,
        heartbeat: float = 60.0,
        restart: bool = True,
        durable: bool = True,
        launch: Launch = launch_module,
        postgres: EmbeddedPostgres | None = None,
        beta_drivers: Sequence[str] = (),
    ) -> None:
        self.layout = layout
        self.postgres = postgres or EmbeddedPostgres(
            layout.directory / "postgres", layout.postgres_port, durable=durable
        )
        self.children: dict[str, ChildProcess] = {}
        self._extra = extra_environment or {}
        self._faults_file = faults_file
        self._hypervisor = hypervisor
        self._machines_layer = machines_layer
        self._heartbeat = heartbeat
        self._restart = restart
        self._launch = launch
        self._beta_drivers = beta_drivers

    @property
    def has_machines(self) -> bool:
        """Whether servers are machines with real engines."""
        return self._hypervisor != SIMULATED

    @property
    def api_url(self) -> str:
        return self.layout.api_url

    @property
    def database_url(self) -> str:
        return self.postgres.url()

    async def start(self) -> None:
        """Start everything and wait until the API and the services are ready.

        Raises:
            RuntimeError: a process did not start; the message contains the end of its log.
        """
        if self._hypervisor != SIMULATED:
            from sandbox.netns.rootfs import ensure_root

            await asyncio.to_thread(ensure_root)  # it can take minutes, longer than a process may take to start
        cloud = self._child("cloud", "sandbox.openstack", self._cloud_arguments(), {})
        cloud.start()
        await self.postgres.start()
        await migrate(self.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
        environment = service_environment(self.layout, self.database_url)
        environment["JEROBOAM_HEARTBEAT_SECONDS"] = str(self._heartbeat)
        if self._beta_drivers:
            environment["JEROBOAM_ENABLED_BETA_DRIVERS"] = json.dumps(list(self._beta_drivers))
        self._child("api", "services.api", [], environment).start()
        for service, port in self.layout.service_ports.items():
            self._child(service, f"services.{service}", [], environment | {"JEROBOAM_SERVICE_PORT": str(port)}).start()
        self.layout.clouds_file.write_text(clouds_yaml(self.layout.auth_url))
        urls = {"api": f"{self.api_url}/readyz"}
        urls |= {name: f"http://127.0.0.1:{port}/readyz" for name, port in self.layout.service_ports.items()}
        await asyncio.gather(*(self.wait_ready(name, url) for name, url in urls.items()))

    def _cloud_arguments(self) -> list[str]:
        arguments = ["--port", str(self.layout.cloud_port), "--data-dir", str(self.layout.directory / "cloud")]
        arguments += ["--container-infra-url", f"{self.api_url}/v1"]
        if self._hypervisor != SIMULATED:
            arguments += ["--hypervisor", self._hypervisor]
            arguments += ["--machines-dir", str(self.layout.directory / "machines")]
        if self._machines_layer is not None:
            arguments += ["--machines-layer", str(self._machines_layer)]
        arguments += ["--heartbeat", str(self._heartbeat)]
        if self._faults_file is not None:
            arguments += ["--faults", str(self._faults_file)]
        return arguments

    def _child(self, name: str, module: str, arguments: list[str], environment: Mapping[str, str]) -> ChildProcess:
        logs = self.layout.directory / "logs"
        logs.mkdir(exist_ok=True)
        child = ChildProcess(
            name,
            module,
            arguments,
            {**environment, **self._extra.get(name, {})},
            logs / f"{name}.log",
            restart=self._restart,
            launch=self._launch,
        )
        self.children[name] = child
        return child

    async def wait_ready(self, name: str, url: str, seconds: float = READY_SECONDS) -> None:
        """Wait until a process is ready. Raises RuntimeError with the end of its log."""
        deadline = time.monotonic() + seconds
        answer = "no answer"
        async with httpx.AsyncClient(timeout=8, trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    response = await client.get(url)
                    if response.status_code == 200:
                        return
                    answer = response.text
                except httpx.HTTPError as error:
                    answer = repr(error)
                if not self.children[name].alive and not self._restart:
                    break
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{name} is not ready: {answer}\n{self.children[name].log_tail()}")

    async def stop(self) -> None:
        """Stop all services in parallel, then the cloud, then Postgres."""
        cloud = self.children.pop("cloud", None)
        await asyncio.gather(*(child.stop() for child in self.children.values()))
        if cloud is not None:
            await cloud.stop()
        await self.postgres.stop()


@asynccontextmanager
async def running_sandbox(
    data_dir: Path | None = None,
    *,
    amqp_url: str | None = None,
    api_port: int | None = None,
    extra_environment: Mapping[str, Mapping[str, str]] | None = None,
    faults_file: Path | None = None,
    hypervisor: str = SIMULATED,
    machines_layer: Path | None = None,
    heartbeat: float = 60.0,
    restart: bool = True,
    durable: bool = True,
    launch: Launch = launch_module,
    postgres: EmbeddedPostgres | None = None,
    beta_drivers: Sequence[str] = (),
) -> AsyncIterator[Sandbox]:
    """Run a sandbox during a block, in a given directory or in a temporary one."""
    directory = data_dir or make_temporary_directory("jeroboam-sandbox-")
    if not directory.exists():
        directory.mkdir(parents=True)
        if os.geteuid() == 0:
            # The database runs as another user and needs access to its directory below, whatever our umask is.
            directory.chmod(0o711)
    sandbox = Sandbox(
        load_layout(directory, amqp_url=amqp_url, api_port=api_port),
        extra_environment=extra_environment,
        faults_file=faults_file,
        hypervisor=hypervisor,
        machines_layer=machines_layer,
        heartbeat=heartbeat,
        restart=restart,
        durable=durable,
        launch=launch,
        postgres=postgres,
        beta_drivers=beta_drivers,
    )
    try:
        await sandbox.start()
        yield sandbox
    finally:
        await sandbox.stop()
        if data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
