"""The scripts of a node; `text` reads them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def text(name: str) -> str:
    """The text of one script, by its path in this directory."""
    return resources.files(__name__).joinpath(name).read_text()
