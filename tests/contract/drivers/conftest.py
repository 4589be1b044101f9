"""Every driver under test: the built-in ones, and one that comes as a package of its own by its entry point."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.drivers import registry
from shared.drivers.driver import Driver
from tests.support.driver_cases import MODES, Case, make_case

PACKAGE = Path(__file__).parents[2] / "support" / "example_driver"


@pytest.fixture
def example_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as an installer lays it: its module on the path, its entry points in its metadata."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / f"jeroboam_example_driver-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [f"{name} = {value}" for name, value in project["entry-points"][registry.GROUP].items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(PACKAGE))
    registry.drivers.cache_clear()
    yield
    registry.drivers.cache_clear()


@pytest.fixture(params=["kubernetes-ubuntu", "example"])
def driver(request: pytest.FixtureRequest, example_package: None) -> Driver:
    return registry.get_driver(request.param)


@pytest.fixture(params=list(MODES))
def case(request: pytest.FixtureRequest, driver: Driver) -> Case:
    """A small cluster in each way of reaching its masters."""
    return make_case(driver, request.param)
