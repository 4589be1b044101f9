"""`jeroboam driver new`: writes a package with an engine, an operating system and a kind of hardware.

Rule: `cli/driver_package` is a complete package named `example`; the new one differs from it in that name only.
"""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from cli.api import ApiError
from cli.state import failures_as_words

NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
SKIPPED = ("__pycache__",)


def new(
    name: Annotated[str, typer.Argument(help="name of the engine: lower-case letters and digits")],
    directory: Annotated[
        Path | None, typer.Option(help="directory of the package; default: jeroboam-NAME-driver")
    ] = None,
) -> None:
    """Write a package with an engine, an operating system and hardware, as a start for drivers of your own."""
    with failures_as_words():
        target = directory or Path(f"jeroboam-{name}-driver")
        for path in write(name, target):
            print(path)


def write(name: str, target: Path) -> list[Path]:
    """Write the package.

    Args:
        name: of the engine and its COE; the other drivers are named `NAME-os` and `NAME-rack`.
        target: the package's directory; it must not exist, or be empty.

    Returns:
        The files written.

    Raises:
        ApiError: the name is invalid or an engine has it, or the directory is not empty.
    """
    from shared.drivers.registry import installed_entries

    if not NAME.fullmatch(name):
        raise ApiError(f"name: {name!r} is not 2 to 31 lower-case letters and digits that begin with a letter")
    if name in {entry.name for entry in installed_entries()}:
        raise ApiError(f"name: a driver named {name} is installed already")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ApiError(f"directory: {target} exists and is not empty")
    written = []
    for source, place in _files(resources.files("cli").joinpath("driver_package"), Path()):
        path = target / _renamed(str(place), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_renamed(source.read_text(), name))
        written.append(path)
    return written


def _files(directory: Traversable, place: Path) -> list[tuple[Traversable, Path]]:
    found = []
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if entry.name in SKIPPED:
            continue
        inner = place / entry.name
        found += _files(entry, inner) if entry.is_dir() else [(entry, inner)]
    return found


def _renamed(text: str, name: str) -> str:
    """The text with `name` in place of `example`, in the case that each occurrence has."""
    for old in ("example", "Example", "EXAMPLE"):
        new_name = {"Example": name.capitalize(), "EXAMPLE": name.upper()}.get(old, name)
        text = text.replace(old, new_name)
    return text
