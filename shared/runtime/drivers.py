"""Applies the settings for drivers when a process starts, and logs those that cannot be used although they should be.

Rule: a driver that cannot be used is an error in the log and never keeps a process from starting: the clusters of all
other drivers go on.
"""

from __future__ import annotations

import structlog

from shared.drivers import registry
from shared.drivers.discovery import Choice, DriverState, unknown_names
from shared.settings import Settings

log = structlog.get_logger(__name__)
_FAULTY = (DriverState.BROKEN, DriverState.CONFLICT)


def choose_drivers(settings: Settings) -> None:
    """Use the drivers that the settings allow."""
    choice = Choice(
        disabled=settings.disabled_drivers,
        enabled_beta=settings.enabled_beta_drivers,
        enabled=settings.enabled_drivers,
        distributions=settings.driver_distributions,
    )
    registry.configure(choice)
    for setting, names in unknown_names(registry.installed_entries(), choice).items():
        log.warning("driver.unknown", setting=setting, names=names)
    for each in registry.discovered():
        if each.state not in _FAULTY:
            continue  # as the settings have it; `jeroboam driver list` shows it
        about = {"driver": each.name, "kind": each.kind, "distribution": each.distribution, "version": each.version}
        log.error(f"driver.{each.state}", **about, reason=each.reason)
