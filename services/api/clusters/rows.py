"""Builds the rows of a cluster, and the specs for its drivers, from a checked request.

Rule: the visible columns keep the names given by the user; resolved IDs are stored in `clusters.spec`, so that renaming
a resource or changing the template later does not affect the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jeroboam.driver import ClusterSpec, DefaultNodegroup, NodegroupSpec, Sizes
from services.api.context import RequestContext
from services.api.preflight.judge import Found
from services.api.reader import Row
from shared.domain.ids import new_id
from shared.drivers.driver import Driver
from shared.operations.specs import stored


def cluster_spec(
    uuid: str, project_id: str, values: dict[str, Any], template: Row, found: Found, manifests: Mapping[str, str]
) -> ClusterSpec:
    """Build the snapshot of resolved resources.

    Args:
        found: contains all requested resources.
        manifests: the URLs set by the operator, by network driver.
    """
    servers = template["dns_nameserver"] or ""
    return ClusterSpec(
        uuid=uuid,
        name=values["name"],
        project_id=project_id,
        coe=template["coe"],
        os_distro=(found.image.os_distro if found.image else None) or template["cluster_distro"],
        server_type=template["server_type"],
        labels=values["labels"],
        external_network_id=found.external_network.id if found.external_network else None,
        fixed_network_id=found.fixed_network.id if found.fixed_network else None,
        fixed_subnet_id=found.fixed_subnet.id if found.fixed_subnet else None,
        fixed_subnet_cidr=found.fixed_subnet.cidr if found.fixed_subnet else None,
        dns_nameservers=[server.strip() for server in servers.split(",") if server.strip()],
        network_driver=template["network_driver"],
        volume_driver=template["volume_driver"],
        apiserver_port=template["apiserver_port"],
        floating_ip_enabled=values["floating_ip_enabled"],
        master_lb_enabled=values["master_lb_enabled"],
        load_balancer=found.load_balancer,
        ssh_public_key=found.keypair.public_key if found.keypair else None,
        http_proxy=template["http_proxy"],
        https_proxy=template["https_proxy"],
        no_proxy=template["no_proxy"],
        insecure_registry=template["insecure_registry"],
        port_security=found.fixed_network.port_security if found.fixed_network else True,
        cni_manifest_url=manifests.get(values["labels"].get("network_driver") or template["network_driver"] or ""),
    )


def nodegroup_specs(values: dict[str, Any], found: Found, driver: Driver) -> list[NodegroupSpec]:
    """Build the specs of the default nodegroups, which a driver checks before anything is stored."""
    assert found.image is not None
    return [
        NodegroupSpec(
            uuid="",
            name=group.name,
            role=group.role,
            flavor_id=group.flavor_id,
            image_id=found.image.id,
            node_count=group.node_count,
            labels=values["labels"],
            docker_volume_size=values["docker_volume_size"],
            operating_system=driver.operating_system.name,
            hardware=driver.hardware.name,
        )
        for group in default_nodegroups(values, driver)
    ]


def cluster_columns(
    context: RequestContext, spec: ClusterSpec, values: dict[str, Any], template: Row, driver: Driver
) -> dict[str, Any]:
    """Build the cluster's row, except its status."""
    columns = {name: value for name, value in values.items() if name not in ("node_count", "master_count")}
    return columns | {
        "uuid": spec.uuid,
        "project_id": context.project_id,
        "user_id": context.user_id,
        "cluster_template_id": template["uuid"],
        "driver": driver.name,
        "engine": driver.engine.name,
        "coe": template["coe"],
        "ssh_public_key": spec.ssh_public_key,
        "spec": stored(spec, driver.engine.release_labels),
    }


def nodegroup_columns(
    cluster: Mapping[str, Any], values: dict[str, Any], found: Found, driver: Driver
) -> list[dict[str, Any]]:
    """Build the rows of the default nodegroups, except their statuses, in the order of their numbers."""
    assert found.image is not None
    return [
        {
            "uuid": new_id(),
            "cluster_id": cluster["uuid"],
            "project_id": cluster["project_id"],
            "name": group.name,
            "role": group.role,
            "is_default": True,
            "flavor_id": group.flavor_id,
            "image_id": found.image.id,
            "operating_system": driver.operating_system.name,
            "hardware": driver.hardware.name,
            "docker_volume_size": cluster["docker_volume_size"],
            "labels": cluster["labels"],
            "node_count": group.node_count,
            "min_node_count": group.min_node_count,
        }
        for group in default_nodegroups(values, driver)
    ]


def default_nodegroups(values: dict[str, Any], driver: Driver) -> Sequence[DefaultNodegroup]:
    """The default nodegroups that the engine defines for a cluster of this size."""
    return driver.engine.default_nodegroups(
        Sizes(
            values["master_count"],
            values["node_count"],
            values["flavor_id"],
            values["master_flavor_id"] or values["flavor_id"],
        )
    )
