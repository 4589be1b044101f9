"""The version before this one, from the history of the repository, and its processes.

When a release has been made, `COMMIT` and `REVISION` become those of it.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.processes import Launch, Process, launch_python
from tests.support import warm

COMMIT = "00d45d1"
REVISION = "0013"  # of its schema
_REPOSITORY = Path(__file__).parents[2]


def in_history() -> bool:
    """Whether this is a clone with the commit; an archive of the sources, or a shallow clone, has no history."""
    found = subprocess.run(
        ["git", "cat-file", "-e", COMMIT], cwd=_REPOSITORY, capture_output=True, timeout=30, check=False
    )
    return found.returncode == 0


def unpack(directory: Path) -> None:
    """Write the files of the version before to a directory."""
    packed = subprocess.run(
        ["git", "archive", COMMIT], cwd=_REPOSITORY, capture_output=True, timeout=60, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(directory, filter="data")


def launch_before(tree: Path) -> Launch:
    """A launcher for a sandbox whose services are of the version before; the simulated cloud is of this one."""

    def launch(module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
        if not module.startswith("services."):
            return warm.launch(module, arguments, environment, log_file)
        # -P: the current directory, which is this version, is not searched for modules.
        return launch_python(["-P", "-m", module, *arguments], {**environment, "PYTHONPATH": str(tree)}, log_file)

    return launch
