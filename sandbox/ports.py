"""Ports for what the sandbox and the tests start on loopback.

Rule: a port is chosen at run time below 32768, so that it never meets the kernel's own ephemeral range, and is
tried with a real bind. Between choosing and listening seconds pass, so it is also claimed: by a Unix socket in Linux's
abstract namespace, which every process on the machine sees, which needs no file that another user could have prepared,
and which the kernel closes with the process. Elsewhere than on Linux the bind has to do.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from random import SystemRandom

FIRST_PORT = 20000
LAST_PORT = 32000
ATTEMPTS = 200

# Not the shared generator: whoever seeds that one would have every process try the same ports in the same order.
_random = SystemRandom()
_claimed: dict[int, int | None] = {}  # port -> descriptor of the socket that claims it, open until this process ends


def bindable(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a TCP listener could be opened at `host:port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1", *, following: int = 0) -> int:
    """A TCP port between 20000 and 32000 that no process listens on or has claimed; claimed for this process.

    Args:
        host: the address that will be listened on.
        following: how many ports directly after it are to be free, and claimed, as well.

    Raises:
        OSError: when none of 200 tried ports is free.
    """
    for _ in range(ATTEMPTS):
        port = _random.randint(FIRST_PORT, LAST_PORT - following)
        wanted = range(port, port + following + 1)
        if any(each in _claimed for each in wanted):
            continue
        taken = [each for each in wanted if take_port(each, host)]
        if len(taken) == len(wanted):
            return port
        for each in taken:
            _give_back(each)
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT} after {ATTEMPTS} attempts")


def take_port(port: int, host: str = "127.0.0.1") -> bool:
    """Claim a given port, if it is free. True as well when this process has claimed it before and it is free now."""
    ours = port in _claimed
    if not ours and not _claim(port):
        return False
    if bindable(port, host):
        return True
    if not ours:
        _give_back(port)
    return False


def _claim(port: int) -> bool:
    """Whether the port is ours alone to use from now on."""
    if sys.platform != "linux":
        _claimed[port] = None
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0jeroboam-port-{port}")
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    _claimed[port] = claim.detach()
    return True


def _give_back(port: int) -> None:
    descriptor = _claimed.pop(port)
    if descriptor is not None:
        os.close(descriptor)
