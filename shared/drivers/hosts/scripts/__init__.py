"""Functions of nodes' scripts that engines share; `text` reads them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def text(name: str) -> str:
    """The text of one script."""
    return resources.files(__name__).joinpath(name).read_text()
