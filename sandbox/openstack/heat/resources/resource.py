"""The base class of resource types of the simulated Heat.

Rule: `create` and `delete` change the cloud and return immediately; `wait` and `wait_gone` wait for the result.
Therefore the engine can store the physical ID before it waits, and a restart finds created resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.openstack.cinder import Volumes
from sandbox.openstack.clock import Clock
from sandbox.openstack.config import Latencies
from sandbox.openstack.glance import Images
from sandbox.openstack.neutron.api import Neutron
from sandbox.openstack.nova.servers import Servers
from sandbox.openstack.octavia import Octavia
from sandbox.openstack.store import Collection, Row
from sandbox.openstack.wire import ApiError

Properties = dict[str, Any]
NEUTRON_EXCEPTIONS = {"OverQuota": "OverQuotaClient", "NetworkNotFound": "NetworkNotFoundClient"}
STATUS_EXCEPTIONS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict"}


class ResourceFailed(Exception):
    """A resource failed. `kind` is Heat's name of the error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Services:
    """The simulated services that create resources."""

    clock: Clock
    latencies: Latencies
    neutron: Neutron
    servers: Servers
    images: Images
    volumes: Volumes
    octavia: Octavia


@dataclass(frozen=True, slots=True)
class Context:
    """The services and owner of a resource. `default_name` is the name that Heat would generate."""

    services: Services
    project_id: str
    user_id: str
    default_name: str = ""


class ResourceType:
    """A type of resource. Subclasses declare its properties and override methods."""

    name: str = ""
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    rebuilt_by: frozenset[str] = frozenset()
    """Properties that cannot be changed in place; a new value replaces the resource."""

    def check(self, context: Context, properties: Properties) -> None:
        """Check that literal values name existing resources; raises `ValueError` with (property, reason)."""

    def create(self, context: Context, properties: Properties) -> str:
        """Create it. Returns the physical ID."""
        raise AssertionError(f"{self.name} cannot be created")

    async def wait(self, context: Context, physical_id: str) -> None:
        """Wait until it is ready; raises `ResourceFailed` if it failed."""

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Change it in place."""

    def replaces(self, changed: set[str], properties: Properties) -> bool:
        """Whether these changes require a replacement."""
        return bool(changed & self.rebuilt_by)

    def before_replacement(self, context: Context, physical_id: str) -> None:
        """Release what the replacement needs."""

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Start to delete it. The engine treats a 404 as success."""

    async def wait_gone(self, context: Context, physical_id: str) -> None:
        """Wait until it no longer exists."""

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """The values of `get_attr`."""
        return {}


def failure_of(error: ApiError, service: str, request_id: str) -> ResourceFailed:
    """Convert a service's error to Heat's message.

    Args:
        error: the error of the service.
        service: `neutron`, `octavia` or another.
        request_id: the request ID in Heat's message.
    """
    kind = STATUS_EXCEPTIONS.get(error.status, "InternalServerError")
    if service == "neutron":
        kind = NEUTRON_EXCEPTIONS.get(error.kind, kind if error.status != 404 else f"{error.kind}Client")
        return ResourceFailed(kind, f"{error.message}\nNeutron server returns request_ids: ['{request_id}']")
    if service == "octavia":
        kind = "OctaviaClientException"  # its client has one exception for all statuses
    return ResourceFailed(kind, f"{error.message} (HTTP {error.status}) (Request-ID: {request_id})")


def named(rows: Collection, name_or_id: str, project_id: str) -> Row | None:
    """A row by id, or by name among those visible to the project."""
    row = rows.get(name_or_id)
    if row is not None:
        return row
    for candidate in rows.where("name", name_or_id):
        if candidate["project_id"] == project_id or candidate.get("shared") or candidate.get("router:external"):
            return candidate
    return None


def renamed(properties: Properties, **names: str) -> Properties:
    """Rename properties to the names of an API; None values are omitted."""
    return {names.get(key, key): value for key, value in properties.items() if value is not None}
