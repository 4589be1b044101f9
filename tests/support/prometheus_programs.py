"""Debian's Prometheus with promtool, and its node exporter: those of this machine, or unpacked as
`sandbox.debian_packages` does it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from sandbox import debian_packages


@cache
def program(name: str) -> str:
    """The path of `prometheus` or `promtool`."""

    def holds(prefix: Path) -> bool:
        return all((prefix / "usr/bin" / each).is_file() for each in ("prometheus", "promtool"))

    return str(debian_packages.ensure("prometheus", ["prometheus"], holds) / "usr/bin" / name)


@cache
def node_exporter() -> str:
    """The path of the node exporter."""
    name = "prometheus-node-exporter"
    return str(
        debian_packages.ensure(name, [name], lambda prefix: (prefix / "usr/bin" / name).is_file()) / "usr/bin" / name
    )


def promtool(*arguments: str | Path) -> str:
    """Run promtool; what it says. Fails if it finds anything wrong."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
