"""Decides which connections are open.

Rule: this does no I/O. A connection without a request in progress is idle, and is closed when a new one needs its
place: first those that have never sent a request, then those kept alive, the oldest first. If all are busy, a reserve
is left for the health endpoints; beyond it, connections are refused. An address at its limit displaces only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from shared.telemetry.metrics import CONNECTIONS, CONNECTIONS_ENDED

RESERVE = 32


@dataclass(eq=False, slots=True)
class Place:
    """The place of one connection.

    Args:
        only_health: it came when all places were taken, and may only ask for the health of the process.
        evict: closes the connection at once; set by whoever opens it.
    """

    address: str
    only_health: bool
    gate: Gate = field(repr=False)
    evict: Callable[[], None] = lambda: None

    def silent(self) -> None:
        """It is open and has not sent a request yet."""
        self.gate.set_idle(self, used=False)

    def resting(self) -> None:
        """It is kept alive after a response."""
        self.gate.set_idle(self, used=True)

    def busy(self) -> None:
        """A request is in progress."""
        self.gate.set_busy(self)

    def release(self) -> None:
        """It is closed."""
        self.gate.release(self)


@dataclass(slots=True)
class _Address:
    number: int = 0
    idle: dict[Place, None] = field(default_factory=dict)


class Gate:
    """Args:
    most: open connections, besides the reserve.
    per_address: open connections of one address.
    exempt: addresses and networks without a limit of their own: proxies; `*` for all.
    """

    def __init__(self, most: int, per_address: int, exempt: Collection[str] = ()) -> None:
        self._most = most
        self._per_address = per_address
        self._exempt = frozenset(exempt)
        self._networks = [ip_network(each, strict=False) for each in exempt if "/" in each]
        self._open: dict[Place, None] = {}
        self._silent: dict[Place, None] = {}
        self._resting: dict[Place, None] = {}
        self._addresses: dict[str, _Address] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, address: str) -> Place | None:
        """The place of a new connection; None if it is refused."""
        same = self._addresses.get(address)
        if same is not None and same.number >= self._per_address and not self._is_exempt(address):
            if not same.idle:
                CONNECTIONS_ENDED.labels("refused").inc()
                return None
            self._evict(next(iter(same.idle)))
        elif len(self._open) >= self._most and (victim := next(iter(self._silent or self._resting), None)):
            self._evict(victim)
        if len(self._open) >= self._most + RESERVE:
            CONNECTIONS_ENDED.labels("refused").inc()
            return None
        place = Place(address, len(self._open) >= self._most, self)
        self._open[place] = None
        self._addresses.setdefault(address, _Address()).number += 1
        CONNECTIONS.set(len(self._open))
        return place

    def set_idle(self, place: Place, *, used: bool) -> None:
        if place in self._open:
            (self._resting if used else self._silent)[place] = None
            self._addresses[place.address].idle[place] = None

    def set_busy(self, place: Place) -> None:
        self._silent.pop(place, None)
        self._resting.pop(place, None)
        if same := self._addresses.get(place.address):
            same.idle.pop(place, None)

    def release(self, place: Place) -> None:
        """Give a place back; once more has no effect."""
        if place not in self._open:
            return
        self.set_busy(place)
        del self._open[place]
        same = self._addresses[place.address]
        same.number -= 1
        if not same.number:
            del self._addresses[place.address]
        CONNECTIONS.set(len(self._open))

    def _is_exempt(self, address: str) -> bool:
        if address in self._exempt or "*" in self._exempt:
            return True
        return bool(self._networks) and any(ip_address(address) in network for network in self._networks)

    def _evict(self, place: Place) -> None:
        CONNECTIONS_ENDED.labels("displaced").inc()
        self.release(place)
        place.evict()
