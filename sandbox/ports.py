"""Ports for what the sandbox and the tests start on loopback.

Rule: a port is chosen at run time below 32768, so that it never meets the kernel's own ephemeral range, and is
tried with a real bind, because two test processes may look at the same moment.
"""

from __future__ import annotations

import random
import socket

FIRST_PORT = 20000
LAST_PORT = 32000
ATTEMPTS = 200


def bindable(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a TCP listener could be opened at `host:port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port between 20000 and 32000 that nobody listens on.

    Raises:
        OSError: when none of 200 tried ports is free.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(FIRST_PORT, LAST_PORT)
        if bindable(port, host):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT} after {ATTEMPTS} attempts")
