"""Which of the notifications of Neutron and Octavia tell of a resource of a cluster that was deleted. Pure.

Rule: resources are known by their names, which begin with that of the cluster, and ports by their servers. Neutron says
nothing when a port becomes ACTIVE or DOWN; only deletes are of interest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.bus.oslo import Notification, clean

_DELETED = re.compile(
    r"^(?:octavia\.)?(port|network|subnet|router|floatingip|security_group|loadbalancer)\.delete\.end\Z"
)
_CLUSTER = re.compile(r"^jeroboam-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-|\Z)")


@dataclass(frozen=True, slots=True)
class DeletedResource:
    """A resource that no longer exists.

    Args:
        kind: port, network, subnet, router, floatingip, security_group or loadbalancer.
        cluster_id: the cluster in its name; None if its server says whose it was.
        server_id: of a port, the server that had it, "" if there was none.
    """

    kind: str
    id: str
    name: str
    cluster_id: str | None
    server_id: str = ""


def deleted_resource(notification: Notification) -> DeletedResource | None:
    """The resource that a notification says to be deleted, if it can be one of a cluster."""
    match = _DELETED.match(notification.event_type)
    if match is None:
        return None
    kind, payload = match[1], notification.payload
    resource = payload.get(kind, payload)
    if not isinstance(resource, Mapping):
        return None
    name = clean(resource.get("name"), 255)
    cluster = _CLUSTER.match(name)
    server_id = ""
    if kind == "port" and str(resource.get("device_owner", "")).startswith("compute:"):
        server_id = clean(resource.get("device_id"), 64)
    found = clean(resource.get("id") or resource.get("loadbalancer_id"), 64)
    if not found or (cluster is None and not server_id):
        return None
    return DeletedResource(kind, found, name, cluster[1] if cluster else None, server_id)
