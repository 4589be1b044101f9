"""The service catalogue of the simulated cloud.

Rule: every endpoint is a path on the host and port that the client used, so that the cloud can be reached under any
name.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.identity.people import known_id

# type, name, path below the cloud's address
SERVICES = (
    ("identity", "keystone", "identity/v3"),
    ("orchestration", "heat", "orchestration/v1/{project}"),
    ("compute", "nova", "compute/v2.1"),
    ("network", "neutron", "network"),
    ("image", "glance", "image"),
    ("block-storage", "cinder", "volume/v3/{project}"),
    ("load-balancer", "octavia", "load-balancer"),
)
INTERFACES = ("admin", "internal", "public")


def catalog(base: str, project_id: str | None, region: str, container_infra_url: str) -> list[dict[str, Any]]:
    """The catalogue of a token.

    Args:
        base: scheme, host and port used by the client.
        project_id: the token's project; without one, services with the project in their URL are omitted.
        region: the only region.
        container_infra_url: URL of Jeroboam's API.
    """
    listed = []
    for kind, name, path in SERVICES:
        if "{project}" in path and project_id is None:
            continue
        listed.append(_entry(kind, name, f"{base}/{path.format(project=project_id)}", region))
    listed.append(_entry("container-infra", "jeroboam", container_infra_url, region))
    return listed


def _entry(kind: str, name: str, url: str, region: str) -> dict[str, Any]:
    return {
        "id": known_id("service", name),
        "type": kind,
        "name": name,
        "endpoints": [
            {
                "id": known_id("endpoint", f"{name}/{interface}"),
                "interface": interface,
                "region_id": region,
                "region": region,
                "url": url,
            }
            for interface in INTERFACES
        ],
    }
