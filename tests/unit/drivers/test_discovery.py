"""Every entry point is examined by itself, whatever the others are like."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from textwrap import dedent

import pytest

from shared.drivers import registry
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
    unknown_names,
)

SYSTEM = """
class System:
    name, distros, packages, replaces_machines, programs_directory = "{name}", ("{name}",), None, False, "/opt"
    beta = {beta}
    def user_data(self, machine): return ""
driver = System()
"""


class Installed:
    """Packages laid out as an installer does it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, distribution: str, source: str, name: str, *, group: str = OPERATING_SYSTEMS) -> None:
        module = distribution.replace("-", "_")
        (self.directory / f"{module}.py").write_text(dedent(source))
        metadata = self.directory / f"{module}-2.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:driver\n")

    def entries(self) -> list[EntryPoint]:
        found = distributions(path=[str(self.directory)])
        return [entry for each in found for entry in each.entry_points if entry.group in KINDS]

    def discover(self, choice: Choice | None = None) -> dict[str, Discovered]:
        found = discover(self.entries(), choice or Choice())
        return {f"{each.distribution}:{each.name}": each for each in found}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield_ = Installed(tmp_path)
    yield_.add("good-os", SYSTEM.format(name="good", beta=False), "good")
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name in before})
    return yield_


def test_what_is_installed_is_enabled_with_its_package(installed: Installed) -> None:
    found = installed.discover()["good-os:good"]
    assert (found.state, found.kind, found.version) == (DriverState.ENABLED, "operating system", "2.0")
    assert found.driver.name == "good"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module' (bad_os.py, line 2)"),
        ("x = 1\n", "AttributeError: module 'bad_os' has no attribute 'driver'"),
        ("def f(:\n", "SyntaxError: invalid syntax (bad_os.py, line 1)"),
        ("import sys\n\nsys.exit(3)\n", "SystemExit: 3 (bad_os.py, line 3)"),
        ("raise RuntimeError('two\\nlines')\n", "RuntimeError: two lines (bad_os.py, line 1)"),
        ("driver = object()\n", "does not follow the contract of operating system"),
        ("class A:\n    name, distros = 'bad', ()\ndriver = A\n", "is a class; an entry point names an instance"),
        (SYSTEM.format(name="other", beta=False), "is named 'other', and its entry point 'bad'"),
    ],
)
def test_a_broken_one_says_why_and_disables_no_other(installed: Installed, source: str, words: str) -> None:
    installed.add("bad-os", source, "bad")
    found = installed.discover()
    assert found["bad-os:bad"].state is DriverState.BROKEN
    assert words in found["bad-os:bad"].reason
    assert found["bad-os:bad"].driver is None
    assert found["good-os:good"].state is DriverState.ENABLED


def test_a_name_that_two_packages_have_is_refused_for_both(installed: Installed) -> None:
    installed.add("rival", SYSTEM.format(name="good", beta=False), "good")
    found = installed.discover()
    assert {each.state for each in found.values()} == {DriverState.CONFLICT}
    assert "rival has a driver of the same name" in found["good-os:good"].reason
    assert "good-os has a driver of the same name" in found["rival:good"].reason


def test_a_setting_chooses_between_packages(installed: Installed) -> None:
    installed.add("rival", SYSTEM.format(name="good", beta=False), "good")
    found = installed.discover(Choice(distributions={"good": "Good_OS"}))
    assert found["good-os:good"].state is DriverState.ENABLED
    assert found["rival:good"].state is DriverState.CONFLICT
    assert found["rival:good"].reason == "JEROBOAM_DRIVER_DISTRIBUTIONS chooses that of good-os"
    absent = installed.discover(Choice(distributions={"good": "third"}))
    assert {each.state for each in absent.values()} == {DriverState.CONFLICT}


def test_the_same_name_in_another_group_is_no_conflict(installed: Installed) -> None:
    installed.add("iron", "class H:\n    name, server_types = 'good', ()\ndriver = H()\n", "good", group=HARDWARE)
    assert {each.state for each in installed.discover().values()} == {DriverState.ENABLED}


def test_what_is_disabled_is_not_imported(installed: Installed) -> None:
    installed.add("bad-os", "raise RuntimeError\n", "bad")
    for choice in (Choice(disabled=["bad"]), Choice(enabled=["good"])):
        found = installed.discover(choice)
        assert found["bad-os:bad"].state is DriverState.DISABLED
        assert found["good-os:good"].state is DriverState.ENABLED


def test_beta_needs_a_setting(installed: Installed) -> None:
    installed.add("new-os", SYSTEM.format(name="new", beta=True), "new")
    off, on = installed.discover(), installed.discover(Choice(enabled_beta=["new"]))
    assert (off["new-os:new"].state, off["new-os:new"].driver) == (DriverState.BETA, None)
    assert (on["new-os:new"].state, on["new-os:new"].beta) == (DriverState.ENABLED, True)
    disabled = installed.discover(Choice(enabled_beta=["new"], disabled=["new"]))
    assert disabled["new-os:new"].state is DriverState.DISABLED


def test_combinations_name_their_parts(installed: Installed) -> None:
    installed.add("eng", "class E:\n    name, coes, beta = 'eng', ('e',), True\ndriver = E()\n", "eng", group=ENGINES)
    installed.add("vms", "class H:\n    name, server_types = 'vm', ()\ndriver = H()\n", "vm", group=HARDWARE)
    choice = Choice(enabled=["eng-good"], enabled_beta=["eng-good"])
    assert {each.state for each in installed.discover(choice).values()} == {DriverState.ENABLED}
    assert unknown_names(installed.entries(), choice) == {}


@pytest.mark.parametrize(
    ("choice", "allowed"),
    [
        (Choice(), True),
        (Choice(disabled=["swarm-ubuntu"]), False),
        (Choice(disabled=["swarm-flatcar"]), True),
        (Choice(enabled=["swarm-ubuntu"]), True),
        (Choice(enabled=["swarm-flatcar", "kubernetes-ubuntu"]), False),
        (Choice(enabled=["swarm", "ubuntu", "vm"]), True),
        (Choice(enabled=["swarm", "ubuntu"]), False),
    ],
)
def test_which_combinations_new_clusters_may_use(choice: Choice, allowed: bool) -> None:
    assert combination_enabled("swarm", "ubuntu", "vm", choice) is allowed


def test_unknown_names_are_told_by_setting(installed: Installed) -> None:
    choice = Choice(disabled=["good", "gone"], enabled_beta=["x"], distributions={"good": "nobody"})
    assert unknown_names(installed.entries(), choice) == {
        "JEROBOAM_DISABLED_DRIVERS": ["gone"],
        "JEROBOAM_ENABLED_BETA_DRIVERS": ["x"],
        "JEROBOAM_DRIVER_DISTRIBUTIONS": ["good of nobody"],
    }


def test_the_settings_reach_the_registry() -> None:
    try:
        registry.configure(Choice(disabled=["swarm", "kubernetes-ubuntu"]))
        assert registry.find_engine("swarm") is None
        assert registry.find_driver("kubernetes", "ubuntu", "vm") is None
        with pytest.raises(Exception, match=r"engine 'swarm' is installed but not in use \(jeroboam .*: disabled: "):
            registry.get_engine("swarm")
        assert registry.get_driver("kubernetes", "ubuntu", "vm").name == "kubernetes-ubuntu", "clusters keep theirs"
    finally:
        registry.configure(Choice())
    with pytest.raises(Exception, match="hardware 'gone' is not installed"):
        registry.get_hardware("gone")
