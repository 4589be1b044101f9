"""The interface of hypervisors, which run the servers of the simulated Nova.

Rule: Nova only reports that a server runs or is deleted; the hypervisor defines what a server does, so that the same
API can be used with simulated nodes and with real network namespaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Machine:
    """A running server: `user_data` is decoded text, `addresses` are its fixed IPs."""

    id: str
    name: str
    user_data: str
    addresses: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


class Hypervisor(Protocol):
    """Runs machines."""

    def start(self, machine: Machine) -> None:
        """Called when the server became ACTIVE, or is ACTIVE after a restart of the cloud."""
        ...

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """Called when the server was stopped or (`gone`) is being deleted; its activity must end."""
        ...

    def console(self, machine_id: str) -> str:
        """What the server's console has shown."""
        ...

    async def close(self) -> None:
        """Called at shutdown of the cloud; machines are started again with the cloud."""
        ...


class NoHypervisor:
    """Servers that do nothing."""

    def start(self, machine: Machine) -> None:
        """Nothing runs."""

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """Nothing ran."""

    def console(self, machine_id: str) -> str:
        """Nothing was shown."""
        return ""

    async def close(self) -> None:
        """Nothing to end."""
