"""OpenStack resources as plain values.

Rule: SDK objects are not used outside `shared.cloud`, so that tests can create these values directly. Field names are
those of the OpenStack APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Stack:
    """A Heat stack. `status` is Heat's `<ACTION>_<STATUS>`, e.g. `CREATE_COMPLETE`."""

    id: str
    name: str
    status: str
    status_reason: str = ""
    tags: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_progress(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")

    @property
    def complete(self) -> bool:
        return self.status.endswith("_COMPLETE")

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a stack, with Heat's status and reason."""

    name: str
    type: str
    physical_id: str
    status: str
    status_reason: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server.

    `addresses` are all of its addresses, `floating_ips` those of them that are floating. `launched_at` changes when its
    machine starts from nothing or on another host: rebuild, resize, unshelve; `deleting` is whether a delete of it has
    begun.
    """

    id: str
    name: str
    status: str
    fault: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()
    launched_at: datetime | None = None
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Flavor:
    """`ram` in MiB, `disk` in GiB. `extra_specs` is None if the caller may not read them."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    extra_specs: Mapping[str, str] | None = None

    @property
    def resource_class(self) -> str | None:
        """The custom resource class of which a server takes one whole machine; None for virtual machines."""
        specs = self.extra_specs or {}
        classes = [
            name.removeprefix("resources:")
            for name, amount in specs.items()
            if name.startswith("resources:CUSTOM_") and str(amount) == "1"
        ]
        shared = any(str(specs.get(f"resources:{name}")) != "0" for name in ("VCPU", "MEMORY_MB", "DISK_GB"))
        return classes[0] if len(classes) == 1 and not shared else None


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    name: str
    status: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def os_distro(self) -> str | None:
        value = self.properties.get("os_distro")
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str
    external: bool
    subnet_ids: tuple[str, ...] = ()
    port_security: bool = True  # whether its ports can have security groups


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    name: str
    network_id: str
    cidr: str

    @property
    def is_ipv4(self) -> bool:
        return ":" not in self.cidr


@dataclass(frozen=True, slots=True)
class Keypair:
    name: str
    public_key: str


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """A quota: `limit` -1 means unlimited; `used` includes reservations.

    `promised` is what accepted requests need that the cloud does not report yet.
    """

    resource: str
    limit: int
    used: int
    promised: int = 0

    @property
    def taken(self) -> int:
        return self.used + self.promised

    def short_of(self, wanted: int) -> bool:
        return self.limit >= 0 and self.taken + wanted > self.limit


@dataclass(frozen=True, slots=True)
class InventoryItem:
    """A resource in the cloud that belongs to a cluster; used to check that a delete is complete."""

    kind: str
    id: str
    name: str
    cluster_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    id: str
    name: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a Keystone token. `expires_at` is ISO 8601, as in Keystone."""

    user_id: str
    user_name: str
    project_id: str | None
    project_name: str | None
    domain_id: str | None
    roles: tuple[str, ...]
    expires_at: str
    is_system: bool = False
