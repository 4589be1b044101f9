"""Finds drivers: the built-in ones and those that packages provide as entry points.

Rule: engine, operating system and hardware are selected by attributes of Magnum's API (`coe`, `os_distro`,
`server_type`); rows store their names. Which drivers are used follows from what is installed and from the settings.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jeroboam.driver import Engine, Hardware, OperatingSystem
from shared.domain.errors import DriverMissing
from shared.drivers.discovery import (
    ENGINES,
    HARDWARE,
    KINDS,
    OPERATING_SYSTEMS,
    Choice,
    Discovered,
    DriverState,
    combination_enabled,
    discover,
)
from shared.drivers.driver import Driver

_chosen = [Choice()]


def configure(choice: Choice) -> None:
    """Set which drivers this process uses; called once, when it starts."""
    _chosen[0] = choice
    forget()


def forget() -> None:
    """Clear the caches, so that entry points are loaded again."""
    for cached in (discovered, engines, operating_systems, hardware_kinds, installed_drivers):
        cached.cache_clear()


def installed_entries() -> list[EntryPoint]:
    """The entry points of all installed packages that bring drivers."""
    return [entry for group in KINDS for entry in entry_points(group=group)]


@cache
def discovered() -> tuple[Discovered, ...]:
    """What became of every entry point, by group and name; examined once per process."""
    return discover(installed_entries(), _chosen[0])


@cache
def engines() -> dict[str, Engine]:
    """All engines that are used, by name."""
    return _enabled(ENGINES)


@cache
def operating_systems() -> dict[str, OperatingSystem]:
    return _enabled(OPERATING_SYSTEMS)


@cache
def hardware_kinds() -> dict[str, Hardware]:
    return _enabled(HARDWARE)


def _enabled(group: str) -> dict[str, Any]:
    return {
        each.name: each.driver for each in discovered() if each.group == group and each.state is DriverState.ENABLED
    }


def get_engine(name: str) -> Engine:
    """Raises DriverMissing if no engine of that name is in use."""
    if (found := engines().get(name)) is None:
        raise _missing(ENGINES, name)
    return found


def get_hardware(name: str) -> Hardware:
    """Raises DriverMissing if no hardware of that name is in use."""
    if (found := hardware_kinds().get(name)) is None:
        raise _missing(HARDWARE, name)
    return found


def get_operating_system(name: str) -> OperatingSystem:
    """Raises DriverMissing if no operating system of that name is in use."""
    if (found := operating_systems().get(name)) is None:
        raise _missing(OPERATING_SYSTEMS, name)
    return found


def _missing(group: str, name: str) -> DriverMissing:
    """Why a driver that a row names is not in use, with all that discovery found out."""
    kind = KINDS[group][0]
    found = [each for each in discovered() if (each.group, each.name) == (group, name)]
    if not found:
        return DriverMissing(f"{kind} {name!r} is not installed")
    reasons = "; ".join(f"{each.distribution} {each.version}: {each.state}: {each.reason}" for each in found)
    return DriverMissing(f"{kind} {name!r} is installed but not in use ({reasons})")


def get_driver(engine: str, operating_system: str, hardware: str) -> Driver:
    """The driver of a nodegroup, by the names in its row and that of its cluster. Raises DriverMissing."""
    return Driver(get_engine(engine), get_operating_system(operating_system), get_hardware(hardware))


@cache
def installed_drivers() -> tuple[Driver, ...]:
    """All supported combinations, sorted by name."""
    return tuple(
        Driver(engine, operating_system, hardware)
        for engine in engines().values()
        for operating_system in operating_systems().values()
        for hardware in hardware_kinds().values()
        if combination_enabled(engine.name, operating_system.name, hardware.name, _chosen[0])
        and engine.runs_on(operating_system, hardware)
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
