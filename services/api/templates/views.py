"""JSON representation of cluster templates. Lists and details are the same and contain all attributes."""

from __future__ import annotations

from typing import Any

from services.api.reader import Row
from services.api.wire.rendering import links

ATTRIBUTES = (
    "uuid",
    "name",
    "project_id",
    "user_id",
    "coe",
    "image_id",
    "flavor_id",
    "master_flavor_id",
    "keypair_id",
    "external_network_id",
    "fixed_network",
    "fixed_subnet",
    "dns_nameserver",
    "network_driver",
    "apiserver_port",
    "docker_volume_size",
    "docker_storage_driver",
    "cluster_distro",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "volume_driver",
    "registry_enabled",
    "insecure_registry",
    "labels",
    "tls_disabled",
    "public",
    "hidden",
    "server_type",
    "master_lb_enabled",
    "floating_ip_enabled",
    "tags",
    "driver",
)


def full(row: Row, base: str) -> dict[str, Any]:
    view = {name: row[name] for name in ATTRIBUTES}
    view["links"] = links(base, "clustertemplates", row["uuid"])
    for name in ("created_at", "updated_at"):
        view[name] = row[name].isoformat() if row[name] else None
    return view
