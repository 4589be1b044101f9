"""How many connections the process can have, by the number of files that it may open."""

from __future__ import annotations

import resource

import structlog

from services.api.connections.gate import RESERVE
from services.api.connections.listener import BATCH
from shared.cloud.async_rest import CONNECTIONS
from shared.settings import Settings

log = structlog.get_logger(__name__)
_OTHERS = 64  # files of Python, the bus, the logs, the event loop


def possible_connections(settings: Settings) -> int:
    """Raise the process's limit of open files as far as possible. Returns how many connections it has room for."""
    soft, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        files = max(soft, 2 * settings.limits.connections)
    if soft != files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    # Pools with their overflow, the reader's, the log's; clients of the cloud and threads of the SDK.
    own = 3 * settings.database_pool_size + settings.streams.pool_size + 2 * CONNECTIONS + settings.cloud.threads
    most = files - own - _OTHERS - RESERVE - BATCH
    if most < settings.limits.connections:
        most = max(most, files // 8, 1)
        log.warning("api.few_files", files=files, connections=most, wanted=settings.limits.connections)
    return min(most, settings.limits.connections)
