"""The contract of an operating system: how a machine gets its first files, and how it is upgraded.

Rule: an operating system is a pure function from a `MachineSetup` to user data; it does not depend on engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# The built-in systems without a package manager. Their images have Docker and containerd, but not keepalived.
IMAGE_BASED = ("fedora-coreos", "flatcar")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a new machine; `mode` is octal text such as `0600`."""

    path: str
    content: str
    mode: str = "0644"


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd service that is enabled and started at the first boot."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class MachineSetup:
    """The files and units of a machine at its first boot.

    Args:
        hostname: the node's name.
        files: written before any unit is started.
        units: enabled and started.
        ssh_public_key: for the distribution's default user; None for none.
    """

    hostname: str
    files: Sequence[File]
    units: Sequence[Unit]
    ssh_public_key: str | None = None


class OperatingSystem(Protocol):
    """An operating system, found by its entry point in the group `jeroboam.operating_systems`.

    Attributes:
        name: unique, lower case.
        distros: the values of Glance's `os_distro` it handles.
        packages: the package manager that engines can use, such as `apt`; None for an image-based system.
        replaces_machines: whether what is part of the image is upgraded by replacing machines, not in place.
        programs_directory: a directory for programs that is writable at the first boot.
    """

    name: str
    distros: Sequence[str]
    packages: str | None
    replaces_machines: bool
    programs_directory: str

    def user_data(self, machine: MachineSetup) -> str:
        """The server's user data: cloud-config or Ignition."""
        ...
