"""The contract suite, run as an author of a driver package runs it: in a process of its own, by its pytest plug-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.drivers.registry import installed_drivers

DRIVERS = (
    "kubernetes-ubuntu",
    "kubernetes-ubuntu-bare-metal",
    "kubernetes-fedora-coreos",
    "kubernetes-flatcar",
    "swarm-ubuntu-bare-metal",
    "example-example-os",
    "example-example-os-example-rack",
    "example-ubuntu",
)

# To name a driver is to enable it, though it is beta.
BETA = ("dcos-centos",)


def run(package: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "jeroboam.testing.suite"]
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join([str(package), root])
    return subprocess.run(
        [*command, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("name", DRIVERS + BETA)
def test_every_driver_keeps_the_contract(example_package: Path, tmp_path: Path, name: str) -> None:
    done = run(example_package, tmp_path, "--jeroboam-driver", name)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_a_driver_that_is_not_installed_is_an_error_that_names_it(example_package: Path, tmp_path: Path) -> None:
    done = run(example_package, tmp_path, "--jeroboam-driver", "nonsense")
    assert done.returncode != 0
    assert "no driver 'nonsense' is installed, only" in done.stdout + done.stderr


def test_all_combinations_that_run_are_found(example_package: Path) -> None:
    found = {driver.name for driver in installed_drivers()}
    assert set(DRIVERS) <= found and not found & set(BETA)
