"""The contract of a kind of hardware: what Nova and Neutron support for servers of this kind.

Rule: hardware only declares what it supports. Jeroboam renders the templates and omits what is not supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jeroboam.driver.values import ClusterSpec, NodegroupSpec


class Hardware(Protocol):
    """A kind of hardware, found by its entry point in the group `jeroboam.hardware`.

    Attributes:
        name: unique, lower case.
        server_types: the values of Magnum's `server_type` it handles.
        floating_ips: whether a server's port can have a floating IP.
        volumes: whether Cinder volumes can be attached and booted from.
        server_groups: whether Nova's server groups apply to such servers.
        config_drive: whether user data is delivered by a config drive instead of the metadata service.
        vnic_type: Neutron's `binding:vnic_type` of its ports; None for Neutron's default.
        join_timeout_minutes: timeout from the completion of a server until its node joins; None for the
            operator's setting.
        existing_network: whether its nodegroups need a network that exists already (`fixed_network`).
        resource_class: whether its flavors ask for a whole machine by a custom resource class (True), never do
            (False), or may (None).
    """

    name: str
    server_types: Sequence[str]
    floating_ips: bool
    volumes: bool
    server_groups: bool
    config_drive: bool
    vnic_type: str | None
    join_timeout_minutes: int | None
    existing_network: bool
    resource_class: bool | None

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        """Why a nodegroup cannot have this hardware, as sentences for the user; empty if it can."""
        ...


class HardwareDefaults:
    """Base class for hardware: everything that virtual machines have, and nothing that they need not have."""

    floating_ips: bool = True
    volumes: bool = True
    server_groups: bool = True
    config_drive: bool = False
    vnic_type: str | None = None
    join_timeout_minutes: int | None = None
    existing_network: bool = False
    resource_class: bool | None = None
    beta: bool = False

    def problems(self, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        return []
