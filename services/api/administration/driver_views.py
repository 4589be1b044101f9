"""JSON representations of drivers: entry points, and the combinations that clusters can use."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jeroboam.driver import Engine
from shared.drivers.discovery import Discovered
from shared.drivers.driver import Driver

_TYPES = ("coes", "distros", "server_types")
DRIVER = (
    *("name", "kind", "state", "reason", "beta", "distribution", "version"),
    *_TYPES,
    *("capabilities", "network_drivers", "volume_drivers"),
)
COMBINATION = "combination"


def entry_point(found: Discovered) -> dict[str, Any]:
    """One entry point; what its driver supports is empty unless it is used."""
    driver = found.driver
    return {
        **_common(found, found.name, found.kind, found.reason or None),
        **{name: list(getattr(driver, name, ())) for name in _TYPES},
        **_of_engine(driver if found.kind == "engine" else None),
    }


def combination(driver: Driver, found: Discovered) -> dict[str, Any]:
    """What a cluster's `driver` in Magnum's API names. Args: found: the entry point of its engine."""
    parts = (driver.engine, driver.operating_system, driver.hardware)
    return {
        **_common(found, driver.name, COMBINATION, None),
        "beta": any(getattr(part, "beta", False) for part in parts),
        "coes": list(driver.engine.coes),
        "distros": list(driver.operating_system.distros),
        "server_types": list(driver.hardware.server_types),
        **_of_engine(driver.engine),
    }


def labels(engine: Engine | None) -> list[dict[str, Any]]:
    """Every label that an engine reads: name, type, default, meaning, and whether a nodegroup can have its own.

    A label that every cluster has to have also has an example.
    """
    shown = [asdict(spec) for spec in engine.labels()] if engine is not None else []
    return [{name: value for name, value in each.items() if (name, value) != ("example", None)} for each in shown]


def _common(found: Discovered, name: str, kind: str, reason: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "state": str(found.state),
        "reason": reason,
        "beta": found.beta,
        "distribution": found.distribution,
        "version": found.version,
    }


def _of_engine(engine: Engine | None) -> dict[str, list[str]]:
    if engine is None:
        return {"capabilities": [], "network_drivers": [], "volume_drivers": []}
    return {
        "capabilities": sorted(str(each) for each in engine.capabilities),
        "network_drivers": list(engine.network_drivers),
        "volume_drivers": list(engine.volume_drivers),
    }
