"""What stands behind the simulated Nova: something that runs servers.

Rule: Nova only says "this server runs now" and "this server is gone"; what a server does is the hypervisor's
matter, so simulated nodes and real network namespaces can stand behind the same API.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Machine:
    """One running server: `user_data` is decoded text, `addresses` are its fixed IPs."""

    id: str
    name: str
    user_data: str
    addresses: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


class Hypervisor(Protocol):
    """Runs machines."""

    def start(self, machine: Machine) -> None:
        """The server became ACTIVE (or the cloud came back and it still is)."""
        ...

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """The server was stopped or (`gone`) is being deleted; nothing of it may go on."""
        ...

    async def close(self) -> None:
        """The cloud shuts down; machines pause, and are started again with the cloud."""
        ...


class NoHypervisor:
    """Servers that do nothing."""

    def start(self, machine: Machine) -> None:
        """Nothing runs."""

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """Nothing ran."""

    async def close(self) -> None:
        """Nothing to end."""
