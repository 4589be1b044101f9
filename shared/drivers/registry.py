"""Finds drivers: the built-in ones and whatever packages offer in the entry-point group `jeroboam.drivers`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from shared.domain.errors import NotFound
from shared.drivers.driver import Driver

GROUP = "jeroboam.drivers"


@cache
def drivers() -> dict[str, Driver]:
    """All drivers by name; loaded once a process."""
    found = (entry.load() for entry in entry_points(group=GROUP))
    return {driver.name: driver for driver in found}


def get_driver(name: str) -> Driver:
    """Raises NotFound when no driver of that name is installed (any more)."""
    try:
        return drivers()[name]
    except KeyError:
        raise NotFound(f"driver {name!r} is not installed") from None


def find_driver(coe: str, os_distro: str, server_type: str) -> Driver | None:
    """The first driver (by name) for a cluster type, or None."""
    for _, driver in sorted(drivers().items()):
        if driver.coe == coe and os_distro in driver.os_distros and server_type in driver.server_types:
            return driver
    return None


def supported_types() -> list[tuple[str, str, str]]:
    """Every (server type, distribution, COE) that some driver takes, for error messages."""
    return sorted(
        (server_type, distro, driver.coe)
        for driver in drivers().values()
        for server_type in driver.server_types
        for distro in driver.os_distros
    )
