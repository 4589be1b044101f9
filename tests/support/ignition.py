"""Ignition's own checker; fetched from the distribution where it is not on the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sandbox import debian_packages


def _holds(prefix: Path) -> bool:
    return (prefix / "usr/bin/ignition-validate").is_file()


def ignition_validate(text: str, path: Path) -> str:
    """What `ignition-validate` has against a configuration; also warnings, with which it exits with 0."""
    program = debian_packages.ensure("ignition", ["ignition"], _holds) / "usr/bin/ignition-validate"
    path.write_text(text)
    done = subprocess.run([str(program), str(path)], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"status {done.returncode}")
