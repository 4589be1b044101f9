"""Finds drivers: the built-in ones and those that packages provide as entry points.

Rule: engine, operating system and hardware are selected by attributes of Magnum's API (`coe`, `os_distro`,
`server_type`); rows store their names.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from jeroboam.driver import Engine, Hardware, OperatingSystem
from shared.domain.errors import NotFound
from shared.drivers.driver import Driver

ENGINES = "jeroboam.engines"
OPERATING_SYSTEMS = "jeroboam.operating_systems"
HARDWARE = "jeroboam.hardware"


@cache
def engines() -> dict[str, Engine]:
    """All engines by name; loaded once per process."""
    return _load(ENGINES)


@cache
def operating_systems() -> dict[str, OperatingSystem]:
    return _load(OPERATING_SYSTEMS)


@cache
def hardware_kinds() -> dict[str, Hardware]:
    return _load(HARDWARE)


def _load(group: str) -> dict[str, Any]:
    found = (entry.load() for entry in entry_points(group=group))
    return {driver.name: driver for driver in sorted(found, key=lambda driver: str(driver.name))}


def forget() -> None:
    """Clear the caches, so that entry points are loaded again."""
    for cached in (engines, operating_systems, hardware_kinds, installed_drivers):
        cached.cache_clear()


def get_engine(name: str) -> Engine:
    """Raises NotFound if no engine of that name is installed."""
    if (found := engines().get(name)) is None:
        raise NotFound(f"engine {name!r} is not installed")
    return found


def get_hardware(name: str) -> Hardware:
    """Raises NotFound if no hardware of that name is installed."""
    if (found := hardware_kinds().get(name)) is None:
        raise NotFound(f"hardware {name!r} is not installed")
    return found


def get_operating_system(name: str) -> OperatingSystem:
    """Raises NotFound if no operating system of that name is installed."""
    if (found := operating_systems().get(name)) is None:
        raise NotFound(f"operating system {name!r} is not installed")
    return found


def get_driver(engine: str, operating_system: str, hardware: str) -> Driver:
    """The driver of a nodegroup, by the names in its row and that of its cluster. Raises NotFound."""
    return Driver(get_engine(engine), get_operating_system(operating_system), get_hardware(hardware))


@cache
def installed_drivers() -> tuple[Driver, ...]:
    """All supported combinations, sorted by name."""
    return tuple(
        Driver(engine, operating_system, hardware)
        for engine in engines().values()
        for operating_system in operating_systems().values()
        for hardware in hardware_kinds().values()
        if engine.runs_on(operating_system, hardware)
    )


def driver_names() -> frozenset[str]:
    """All names that Magnum's API can show as driver of a template or cluster."""
    return frozenset(
        {driver.name for driver in installed_drivers()} | {name for name in engines() if name not in _creating()}
    )


def _creating() -> set[str]:
    """Names of the engines that can create clusters."""
    return {driver.engine.name for driver in installed_drivers()}


def find_engine(coe: str | None) -> Engine | None:
    """The first engine (by name) that can create clusters of a COE, or None."""
    return next((each.engine for each in installed_drivers() if coe in each.engine.coes), None)


def find_driver(coe: str, os_distro: str, server_type: str) -> Driver | None:
    """The first driver (by names) for a cluster type, or None."""
    for driver in installed_drivers():
        if driver.takes(coe, os_distro, server_type):
            return driver
    return None


def supported_coes() -> list[str]:
    """Every COE for which clusters can be created."""
    return sorted({coe for driver in installed_drivers() for coe in driver.engine.coes})


def supported_types() -> list[tuple[str, str, str]]:
    """Every (server type, distribution, COE) that is supported by a driver, for error messages."""
    return sorted(
        {
            (server_type, distro, coe)
            for driver in installed_drivers()
            for server_type in driver.hardware.server_types
            for distro in driver.operating_system.distros
            for coe in driver.engine.coes
        }
    )
