"""Serves the application over HTTP until the process stops.

Rule: at shutdown, long polls and streams end first, then requests in progress get `shutdown_seconds`, then the listener
closes. uvicorn does not handle the process's signals. It parses HTTP and runs the application; connections are
accepted, limited and ended by `services.api.connections`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from socket import socket

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from services.api.connections.files import possible_connections
from services.api.connections.gate import Gate, Place
from services.api.connections.listener import Listener
from services.api.connections.protocol import LimitedProtocol
from services.api.deps import Deps
from shared.runtime.memory import keep_what_is_there
from shared.runtime.stopping import StopSignal
from shared.settings import Settings

log = structlog.get_logger(__name__)


class LimitedServer(uvicorn.Server):
    """uvicorn behind a listener with limits."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self.capture_signals = nullcontext  # type: ignore[method-assign, assignment]

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application, then listen. `sockets` are not supported.

        Raises:
            SystemExit: the application does not start, or the address is in use.
        """
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        limits = self._settings.limits
        gate = Gate(
            possible_connections(self._settings), limits.connections_per_address, self._settings.trusted_proxies
        )

        def make(place: Place) -> LimitedProtocol:
            return LimitedProtocol(
                place,
                limits,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        listener = Listener(gate, limits, make, self.config.ssl)
        try:
            listener.open(self._settings.api_host, self._settings.api_port)
        except OSError as error:
            log.error("api.cannot_listen", host=self._settings.api_host, port=self._settings.api_port, error=str(error))
            listener.close()
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        self.servers = [listener]  # type: ignore[list-item]
        self.started = True


def make_server(app: ASGIApp, settings: Settings) -> LimitedServer:
    """The server for the address and limits of the settings."""
    config = uvicorn.Config(
        app,
        ssl_certfile=settings.api_tls_cert,
        ssl_keyfile=settings.api_tls_key,
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=settings.limits.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        lifespan="on",
    )
    return LimitedServer(config, settings)


async def serve(app: ASGIApp, deps: Deps, stop: StopSignal) -> None:
    """Listen on the address of the settings.

    Raises:
        SystemExit: the address is in use, or the certificate cannot be read.
    """
    server = make_server(app, deps.settings)
    keep_what_is_there()
    serving = asyncio.create_task(server.serve())
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, asked], return_when=asyncio.FIRST_COMPLETED)
        deps.close_waiters()
        server.should_exit = True
        await serving
    finally:
        asked.cancel()
