"""Connections to receivers: the only code that opens a socket to an address that a user chose.

Rule: every address of a host is checked, one forbidden address refuses the whole name, and the socket is connected to
an address that was checked; the name is never resolved a second time. The check is repeated where the socket is made,
so that no caller can skip it. TLS is verified against the name. Proxies from the environment are not used.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

from services.notifier.exchange import Exchange
from shared.webhooks.addresses import Address, parse_address
from shared.webhooks.targets import Forbidden, Target, TargetPolicy

MAX_ANSWERS = 32
RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 5.0
_TRIED = 2  # addresses of one host
_SIOCGIFBRDADDR = 0x8919

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Unreachable(Exception):
    """No connection could be made; the message says why."""


class Egress:
    """Args:
    policy: where requests may be sent.
    ca_file: CA certificates to accept besides those of the system.
    resolve: (host, port) -> addresses as text; by default, the resolver of the system.
    """

    def __init__(self, policy: TargetPolicy, *, ca_file: Path | None = None, resolve: Resolve | None = None) -> None:
        self.policy = policy
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)
        # Threads of its own: a name server that does not answer must not delay other work of the process.
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="webhook-dns")
        self._resolve = resolve or self._system_resolver

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def connect(self, target: Target) -> Exchange:
        """Open a connection.

        Raises:
            Forbidden: an address of the host may not be connected to; nothing was sent.
            Unreachable: the name has no address, or no address accepted a connection.
        """
        problem: Exception = Unreachable(f"{target.host} has no address")
        for address in (await self.addresses(target))[:_TRIED]:
            try:
                return await self._connected(target, address)
            except (OSError, ssl.SSLError, TimeoutError) as error:
                problem = error
        raise Unreachable(_reason(problem)) from problem

    async def addresses(self, target: Target) -> list[Address]:
        """The addresses of a target, all of which were checked.

        Raises:
            Forbidden: one of them may not be connected to, or there are too many.
            Unreachable: the name cannot be resolved.
        """
        if target.address is not None:
            found = [target.address]
        else:
            found = [_parsed(text) for text in await self._answers(target)]
        if len(found) > MAX_ANSWERS:
            raise Forbidden(f"{target.host} has more than {MAX_ANSWERS} addresses")
        for address in found:
            self.policy.check(target, address)
        return found

    async def _answers(self, target: Target) -> list[str]:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                return list(dict.fromkeys(await self._resolve(target.host, target.port)))
        except TimeoutError:
            raise Unreachable(f"no name server answered for {target.host} within {RESOLVE_SECONDS:g} s") from None
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{target.host} cannot be resolved: {error.args[-1] if error.args else error}") from None

    async def _system_resolver(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(entry[4][0]) for entry in found]

    async def _connected(self, target: Target, address: Address) -> Exchange:
        loop = asyncio.get_running_loop()
        connection = self._socket(target, address)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(connection, (str(address), target.port))
                _, protocol = await loop.create_connection(
                    Exchange,
                    sock=connection,
                    ssl=self._tls if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )
        except BaseException:
            connection.close()
            raise
        return protocol

    def _socket(self, target: Target, address: Address) -> socket.socket:
        """The gate: no socket is made for an address that may not be connected to."""
        self.policy.check(target, address)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def own_broadcasts() -> frozenset[Address]:
    """Broadcast addresses of this machine's interfaces, where the system tells them."""
    found: set[Address] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFBRDADDR, request)
            except OSError:
                continue
            found.add(IPv4Address(answer[20:24]))
    return frozenset(found)


def _parsed(text: str) -> Address:
    address = parse_address(text)
    if address is None:
        raise Forbidden(f"the name server answered {text[:100]!r}, which is not an address")
    return address


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, OSError) and error.errno:
        return f"connection failed: {os.strerror(error.errno)}"
    return str(error)
