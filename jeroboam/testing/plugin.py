"""The pytest plug-in: its option, and the fixtures of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jeroboam.testing.cases import Case
    from shared.drivers.driver import Driver

SUITES = ("jeroboam.testing.suite", "cli.testing.lifecycle")
pytest.register_assert_rewrite(*SUITES, "jeroboam.testing.cases")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("jeroboam")
    for option, text in (
        ("--jeroboam-driver", "name of an installed driver to run a suite on; may be repeated (default: all)"),
        ("--jeroboam-label", "key=value, a label of the lifecycle's cluster; may be repeated"),
        ("--jeroboam-upgrade", "key=value, a label of the template it is upgraded to; may be repeated"),
    ):
        group.addoption(option, action="append", default=[], help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Drivers that are named are used although they are beta."""
    if wanted := config.getoption("--jeroboam-driver"):
        from shared.drivers.discovery import Choice
        from shared.drivers.registry import configure

        configure(Choice(enabled_beta=wanted))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the suites for each driver, and tests with a case for each endpoint mode."""
    if metafunc.module.__name__ not in SUITES:
        return
    from jeroboam.testing.cases import MODES
    from shared.drivers.registry import installed_drivers

    if "jeroboam_driver" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--jeroboam-driver")
        found = {driver.name: driver for driver in installed_drivers()}
        if unknown := set(wanted) - found.keys():
            raise pytest.UsageError(f"no driver {sorted(unknown)[0]!r} is installed, only {', '.join(found)}")
        metafunc.parametrize("jeroboam_driver", [found[name] for name in wanted or found], ids=wanted or list(found))
    if "jeroboam_mode" in metafunc.fixturenames:
        metafunc.parametrize("jeroboam_mode", list(MODES))


@pytest.fixture
def case(jeroboam_driver: Driver, jeroboam_mode: str) -> Case:
    """A small cluster of the driver."""
    from jeroboam.testing.cases import make_case

    return make_case(jeroboam_driver, jeroboam_mode)
