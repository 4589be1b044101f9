"""Serves the application over HTTP until the process stops.

Rule: at shutdown, long polls and streams end first, then requests in progress get `shutdown_seconds`, then the listener
closes. uvicorn does not handle the process's signals.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import uvicorn
from starlette.types import ASGIApp

from services.api.deps import Deps
from shared.runtime.stopping import StopSignal


async def serve(app: ASGIApp, deps: Deps, stop: StopSignal) -> None:
    """Listen on the address of the settings.

    Raises:
        SystemExit: the address is in use, or the certificate cannot be read.
    """
    settings = deps.settings
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        ssl_certfile=settings.api_tls_cert,
        ssl_keyfile=settings.api_tls_key,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        lifespan="on",
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, asked], return_when=asyncio.FIRST_COMPLETED)
        deps.close_waiters()
        server.should_exit = True
        await serving
    finally:
        asked.cancel()
