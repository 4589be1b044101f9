"""Network namespaces: their creation, their devices, and sockets in them.

Rule: every name begins with the hypervisor's prefix, so that what a crash left can be found. A socket belongs to the
namespace in which it was created, whichever thread uses it later.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 20
PLACE = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
# setns changes the namespace of one thread, so all sockets are made by this one.
_maker = ThreadPoolExecutor(1, thread_name_prefix="netns")


def ip(*arguments: str) -> None:
    """Run `ip`. Raises RuntimeError with its message."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def exists(name: str) -> bool:
    return (PLACE / name).exists()


def add_network(name: str, address: str) -> None:
    """A namespace with a bridge, which has the network's gateway address (with its prefix length)."""
    ip("netns", "add", name)
    ip("-n", name, "link", "add", "br0", "type", "bridge")
    ip("-n", name, "addr", "add", address, "dev", "br0")
    for device in ("lo", "br0"):
        ip("-n", name, "link", "set", device, "up")


def add_machine(name: str, network: str, *, addresses: tuple[str, ...], gateway: str, port: str) -> None:
    """A namespace whose `eth0` is connected to a network's bridge.

    Args:
        addresses: with prefix lengths.
        port: name of the bridge's end, at most 15 characters.
    """
    ip("netns", "add", name)
    ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", network)
    ip("-n", network, "link", "set", port, "master", "br0", "up")
    for address in addresses:
        ip("-n", name, "addr", "add", address, "dev", "eth0")
    for device in ("lo", "eth0"):
        ip("-n", name, "link", "set", device, "up")
    ip("-n", name, "route", "add", "default", "via", gateway)


def remove(name: str) -> None:
    """Remove a namespace, if it is there."""
    subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=SECONDS, check=False)


def make_socket(name: str | None) -> socket.socket:
    """A TCP socket in a namespace; None for that of this process."""
    return _maker.submit(_make_socket, name).result(SECONDS)


def _make_socket(name: str | None) -> socket.socket:
    if name is None:
        return _plain_socket()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(PLACE / name, os.O_RDONLY)
    try:
        _enter(there)
        try:
            return _plain_socket()
        finally:
            _enter(home)
    finally:
        os.close(there)
        os.close(home)


def _plain_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)
    return made


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
