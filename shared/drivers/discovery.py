"""Examines every entry point that brings a driver, each by itself.

Rule: an entry point that cannot be used never keeps another one from being used, and of several with one name none is
used unless a setting chooses the distribution. What is disabled is not imported.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint
from typing import Any

ENGINES = "jeroboam.engines"
OPERATING_SYSTEMS = "jeroboam.operating_systems"
HARDWARE = "jeroboam.hardware"
# Group -> what its drivers are, and an attribute of the contract by which one is recognised.
KINDS = {
    ENGINES: ("engine", "coes"),
    OPERATING_SYSTEMS: ("operating system", "distros"),
    HARDWARE: ("hardware", "server_types"),
}
USUAL_HARDWARE = "vm"


class DriverState(StrEnum):
    """What became of an entry point; only the driver of an enabled one is used."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    BETA = "beta"
    BROKEN = "broken"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Choice:
    """The operator's settings for drivers.

    Each name is that of an entry point, or of a combination such as `kubernetes-ubuntu`.

    Args:
        disabled: drivers that are not used.
        enabled_beta: drivers that are used although they are marked as beta.
        enabled: the drivers that are used; empty for all.
        distributions: name of an entry point -> the distribution whose driver is used where several have the name.
    """

    disabled: Collection[str] = ()
    enabled_beta: Collection[str] = ()
    enabled: Collection[str] = ()
    distributions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Discovered:
    """One entry point.

    Args:
        distribution, version: of the package that has it.
        reason: why its driver is not used, as a clause; empty if it is.
        beta: whether the driver is marked as beta; False if it was not imported.
        driver: None unless `state` is ENABLED.
    """

    group: str
    name: str
    distribution: str
    version: str
    state: DriverState
    reason: str = ""
    beta: bool = False
    driver: Any = None

    @property
    def kind(self) -> str:
        return KINDS[self.group][0]


def combination_name(engine: str, operating_system: str, hardware: str) -> str:
    """The `driver` in Magnum's API, e.g. `kubernetes-ubuntu`; hardware other than VMs is appended."""
    name = f"{engine}-{operating_system}"
    return name if hardware == USUAL_HARDWARE else f"{name}-{hardware}"


def discover(entries: Iterable[EntryPoint], choice: Choice) -> tuple[Discovered, ...]:
    """Examine the entry points of all groups of drivers, sorted by group and name."""
    ordered = sorted(entries, key=lambda entry: (list(KINDS).index(entry.group), entry.name, distribution_of(entry)[0]))
    names = {group: [entry.name for entry in ordered if entry.group == group] for group in KINDS}
    parts = _parts(names)
    return tuple(_examine(entry, ordered, parts, choice) for entry in ordered)


def unknown_names(entries: Sequence[EntryPoint], choice: Choice) -> dict[str, list[str]]:
    """Setting -> names in it that no installed entry point or combination has."""
    names = {group: [entry.name for entry in entries if entry.group == group] for group in KINDS}
    known = {name for group in names.values() for name in group} | _parts(names).keys()
    settings = {
        "JEROBOAM_DISABLED_DRIVERS": choice.disabled,
        "JEROBOAM_ENABLED_BETA_DRIVERS": choice.enabled_beta,
        "JEROBOAM_ENABLED_DRIVERS": choice.enabled,
    }
    found = {setting: sorted(set(given) - known) for setting, given in settings.items()}
    owners = {(entry.name, distribution_of(entry)[0]) for entry in entries}
    found["JEROBOAM_DRIVER_DISTRIBUTIONS"] = sorted(
        f"{name} of {owner}" for name, owner in choice.distributions.items() if (name, canonical(owner)) not in owners
    )
    return {setting: absent for setting, absent in found.items() if absent}


def combination_enabled(engine: str, operating_system: str, hardware: str, choice: Choice) -> bool:
    """Whether new clusters may use a combination of enabled drivers."""
    name = combination_name(engine, operating_system, hardware)
    if name in choice.disabled:
        return False
    named = all(part in choice.enabled for part in (engine, operating_system, hardware))
    return not choice.enabled or name in choice.enabled or named


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Name, in the canonical form of package indexes, and version of the distribution that has an entry point."""
    if entry.dist is None:
        return "unknown", ""
    return canonical(entry.dist.name), entry.dist.version


def canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _parts(names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str, str]]:
    """Name of a combination -> its parts, whether or not the parts fit."""
    return {
        combination_name(engine, system, hardware): (engine, system, hardware)
        for engine in names[ENGINES]
        for system in names[OPERATING_SYSTEMS]
        for hardware in names[HARDWARE]
    }


def _examine(
    entry: EntryPoint, entries: Sequence[EntryPoint], parts: Mapping[str, tuple[str, str, str]], choice: Choice
) -> Discovered:
    owner, version = distribution_of(entry)

    def outcome(state: DriverState, reason: str = "", beta: bool = False, driver: Any = None) -> Discovered:
        return Discovered(entry.group, entry.name, owner, version, state, reason, beta, driver)

    place = list(KINDS).index(entry.group)

    def within(given: Collection[str]) -> bool:
        return entry.name in given or any(name in given and each[place] == entry.name for name, each in parts.items())

    if entry.name in choice.disabled:
        return outcome(DriverState.DISABLED, "JEROBOAM_DISABLED_DRIVERS names it")
    if choice.enabled and not within(choice.enabled):
        return outcome(DriverState.DISABLED, "JEROBOAM_ENABLED_DRIVERS does not name it")
    if (conflict := _conflict(entry, entries, choice)) is not None:
        return outcome(DriverState.CONFLICT, conflict)
    try:
        driver = entry.load()
        _check(entry, driver)
    except Exception as error:  # a package may raise anything while it is imported
        return outcome(DriverState.BROKEN, described(error))
    except SystemExit as error:
        return outcome(DriverState.BROKEN, described(error))
    beta = bool(getattr(driver, "beta", False))
    if beta and not within(choice.enabled_beta):
        return outcome(
            DriverState.BETA, "it is a beta driver, and JEROBOAM_ENABLED_BETA_DRIVERS does not name it", beta
        )
    return outcome(DriverState.ENABLED, beta=beta, driver=driver)


def _conflict(entry: EntryPoint, entries: Sequence[EntryPoint], choice: Choice) -> str | None:
    """Why another entry point of the same name keeps this one from being used."""
    own = distribution_of(entry)[0]
    others = [each for each in entries if (each.group, each.name) == (entry.group, entry.name) and each is not entry]
    if not others:
        return None
    owners = [distribution_of(each)[0] for each in others]
    chosen = canonical(choice.distributions.get(entry.name, ""))
    if chosen in (own, *owners) and [own, *owners].count(chosen) == 1:
        return None if chosen == own else f"JEROBOAM_DRIVER_DISTRIBUTIONS chooses that of {chosen}"
    return (
        f"{', '.join(sorted(set(owners)))} has a driver of the same name; none of them is used until "
        "JEROBOAM_DRIVER_DISTRIBUTIONS chooses one"
    )


def _check(entry: EntryPoint, driver: Any) -> None:
    """Raises ValueError if what was loaded is not a driver of this name."""
    kind, attribute = KINDS[entry.group]
    if isinstance(driver, type):
        raise ValueError(f"{entry.value} is a class; an entry point names an instance")
    if not hasattr(driver, "name") or not hasattr(driver, attribute):
        raise ValueError(f"{entry.value} does not follow the contract of {kind}: it has no `name` or no `{attribute}`")
    if driver.name != entry.name:
        raise ValueError(f"{entry.value} is named {driver.name!r}, and its entry point {entry.name!r}")


def described(error: BaseException) -> str:
    """An exception and the line that raised it, in one line: `ModuleNotFoundError: ... (driver.py, line 3)`."""
    text = " ".join(str(error).split())[:500]
    words = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError):
        return words  # its text has the file and the line
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and "importlib" not in frame.filename and frame.filename != __file__
    ]
    if not frames:
        return words
    return f"{words} ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})"
