"""What a resource type of the simulated Heat is.

Rule: `create` and `delete` change the cloud at once and return; whatever takes time is awaited in `wait` and
`wait_gone`. So the engine can record the physical id before it waits, and a restart finds what was made.
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
    """A resource came to nothing. `kind` is the name Heat gives the failure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Services:
    """The simulated services a resource can be made in."""

    clock: Clock
    latencies: Latencies
    neutron: Neutron
    servers: Servers
    images: Images
    volumes: Volumes
    octavia: Octavia


@dataclass(frozen=True, slots=True)
class Context:
    """Where a resource is made, and for whom. `default_name` is the name Heat would give it."""

    services: Services
    project_id: str
    user_id: str
    default_name: str = ""


class ResourceType:
    """One type of resource. Subclasses say what they know, and override what differs."""

    name: str = ""
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    rebuilt_by: frozenset[str] = frozenset()
    """Properties that cannot change in place: another value makes another resource."""

    def check(self, context: Context, properties: Properties) -> None:
        """Refuse literal property values that name nothing; raises `ValueError` with (property, reason)."""

    def create(self, context: Context, properties: Properties) -> str:
        """Make it; the physical id."""
        raise AssertionError(f"{self.name} cannot be made")

    async def wait(self, context: Context, physical_id: str) -> None:
        """Wait until it works; raises `ResourceFailed` when it never will."""

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Change it in place."""

    def replaces(self, changed: set[str], properties: Properties) -> bool:
        """Whether these changes make another resource of it."""
        return bool(changed & self.rebuilt_by)

    def before_replacement(self, context: Context, physical_id: str) -> None:
        """Let go of what the replacement needs."""

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Begin to remove it. A 404 is taken as done by the engine."""

    async def wait_gone(self, context: Context, physical_id: str) -> None:
        """Wait until it is really gone."""

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """What `get_attr` can give."""
        return {}


def failure_of(error: ApiError, service: str, request_id: str) -> ResourceFailed:
    """A service's refusal in the words Heat has for it.

    Args:
        error: the refusal.
        service: `neutron`, `octavia` or another.
        request_id: the id Heat quotes.
    """
    kind = STATUS_EXCEPTIONS.get(error.status, "InternalServerError")
    if service == "neutron":
        kind = NEUTRON_EXCEPTIONS.get(error.kind, kind if error.status != 404 else f"{error.kind}Client")
        return ResourceFailed(kind, f"{error.message}\nNeutron server returns request_ids: ['{request_id}']")
    if service == "octavia":
        kind = "OctaviaClientException"  # its client has one exception for all statuses
    return ResourceFailed(kind, f"{error.message} (HTTP {error.status}) (Request-ID: {request_id})")


def named(rows: Collection, name_or_id: str, project_id: str) -> Row | None:
    """A row by id, or by name among those the project may see."""
    row = rows.get(name_or_id)
    if row is not None:
        return row
    for candidate in rows.where("name", name_or_id):
        if candidate["project_id"] == project_id or candidate.get("shared") or candidate.get("router:external"):
            return candidate
    return None


def renamed(properties: Properties, **names: str) -> Properties:
    """Properties under the names an API has for them; None values are left out."""
    return {names.get(key, key): value for key, value in properties.items() if value is not None}
