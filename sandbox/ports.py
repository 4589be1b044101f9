"""Ports for what the sandbox and the tests start on loopback.

Rule: a port is chosen at run time below 32768, so that it never meets the kernel's own ephemeral range, and is
tried with a real bind. Between choosing and listening seconds pass, so it is also claimed: by a lock on a file, which
lasts as long as the process that chose it and tells every other one on the machine.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

FIRST_PORT = 20000
LAST_PORT = 32000
ATTEMPTS = 200

# Not the shared generator: whoever seeds that one would have every process try the same ports in the same order.
_random = SystemRandom()
_claimed: dict[int, int] = {}  # port -> descriptor of its locked file, open until this process ends


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
        port = _random.randint(FIRST_PORT, LAST_PORT)
        if _claim(port) and bindable(port, host):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT} after {ATTEMPTS} attempts")


def _claim(port: int) -> bool:
    """Whether the port is ours alone to use from now on."""
    if port in _claimed:
        return False
    claims = Path(tempfile.gettempdir()) / "jeroboam-ports"
    try:
        claims.mkdir(exist_ok=True)
        with suppress(PermissionError):  # another user's directory: it was opened to all when it was made
            claims.chmod(0o1777)
        descriptor = os.open(claims / str(port), os.O_RDONLY | os.O_CREAT, 0o666)
    except OSError:
        return True  # no place for claims; the bind has to do
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _claimed[port] = descriptor
    return True
