"""The package that `jeroboam driver new` starts from, laid out as an installer does it: its modules, and its entry
points in its metadata."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "cli" / "driver_package"
MODULE = "jeroboam_example_driver"


def installed(directory: Path) -> Path:
    """Lay the package out below `directory`; returns what has to be on the path."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    metadata = directory / f"{MODULE}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    shutil.copytree(PACKAGE / MODULE, directory / MODULE)
    return directory
