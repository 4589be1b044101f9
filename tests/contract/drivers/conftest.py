"""The contract suite runs here on every driver: the built-in ones, and those of the example package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.drivers import registry
from tests.support.example_package import installed


@pytest.fixture(scope="session", autouse=True)
def example_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example package as an installer lays it out; forgotten at the end."""
    with pytest.MonkeyPatch.context() as patch:
        path = installed(tmp_path_factory.mktemp("example"))
        patch.syspath_prepend(str(path))
        registry.forget()
        yield path
    registry.forget()
