"""Horizon's panel, as its server side speaks: through python-magnumclient, at 1.13, with every value a string.

Rule: what is sent is what the panel makes of its forms: the text of a number, of a boolean and of a dictionary, and for
a template one patch of all that its form has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from cryptography import x509
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from magnumclient.common.utils import generate_csr_and_key
from magnumclient.v1.client import Client

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from services.api.deps import Deps
from tests.support.served_api import api_fixture, cloud_fixture, finish

T = TypeVar("T")
Panel = Callable[..., Awaitable[Any]]
PORT = free_port()
pytestmark = pytest.mark.timeout(300)
TEMPLATE = {
    "name": "k8s",
    "coe": "kubernetes",
    "image_id": "ubuntu-24.04",
    "external_network_id": "public",
    "flavor_id": "m1.small",
    "master_flavor_id": "m1.small",
    "docker_volume_size": "5",
    "http_proxy": "http://proxy.example.org:3128",
    "floating_ip_enabled": "True",
    "master_lb_enabled": "True",
    "public": "False",
    "hidden": "False",
    "registry_enabled": "False",
    "tls_disabled": "False",
    "labels": {"kube_tag": "v1.34.1", "mine": "yes"},
}
CLUSTER = {
    "name": "c1",
    "node_count": "2",
    "master_count": "1",
    "create_timeout": "60",
    "docker_volume_size": "6",
    "keypair": "lab",
    "floating_ip_enabled": "False",
    "master_lb_enabled": "True",
    "merge_labels": "True",
    "labels": {"added": "yes"},
}


openstack = cloud_fixture(PORT)
api = api_fixture(PORT)


@pytest.fixture
async def panel(openstack: TestCloud, api: Deps) -> Panel:
    """panel(function, user="demo") -> what the function makes of that user's client."""

    async def use(function: Callable[[Any], T], user: str = "demo") -> T:
        environment = openstack.environment(user, user)
        password = Password(
            auth_url=environment["OS_AUTH_URL"],
            username=environment["OS_USERNAME"],
            password=environment["OS_PASSWORD"],
            project_name=environment["OS_PROJECT_NAME"],
            user_domain_name="Default",
            project_domain_name="Default",
        )

        def call() -> T:
            session = Session(auth=password)
            try:
                return function(Client(session=session, region_name=environment["OS_REGION_NAME"], api_version="1.13"))
            finally:
                session.session.close()

        return await asyncio.to_thread(call)

    return use


@pytest.fixture
async def cluster(panel: Panel, api: Deps) -> str:
    """The uuid of a complete cluster `c1`, made as the panel makes it."""

    def create(client: Any) -> str:
        template = client.cluster_templates.create(**TEMPLATE)
        return str(client.clusters.create(**CLUSTER, cluster_template_id=template.uuid).uuid)

    uuid: str = await panel(create)
    await finish(api, uuid)
    return uuid


async def test_templates(panel: Panel) -> None:
    patch = [
        {"op": "replace", "path": "/name", "value": "k9s"},
        {"op": "replace", "path": "/docker_volume_size", "value": "7"},
        {"op": "replace", "path": "/floating_ip_enabled", "value": "False"},
        {"op": "replace", "path": "/labels", "value": "{'kube_tag': 'v1.35.0', 'other': 'it\\'s'}"},
        {"op": "add", "path": "/https_proxy", "value": "http://proxy.example.org:3128"},
        {"op": "remove", "path": "/http_proxy"},
    ]

    def use(client: Any) -> None:
        made = client.cluster_templates.create(**TEMPLATE)
        assert (made.docker_volume_size, made.floating_ip_enabled, made.tls_disabled) == (5, True, False)
        client.cluster_templates.update(made.uuid, patch)
        shown = client.cluster_templates.get(made.uuid)
        assert (shown.name, shown.docker_volume_size, shown.floating_ip_enabled) == ("k9s", 7, False)
        assert shown.labels == {"kube_tag": "v1.35.0", "other": "it's"}
        assert (shown.http_proxy, shown.https_proxy) == (None, "http://proxy.example.org:3128")
        assert [each.name for each in client.cluster_templates.list(detail=True)] == ["k9s"]
        client.cluster_templates.delete(made.uuid)
        assert client.cluster_templates.list(detail=True) == []

    await panel(use)


async def test_changing_a_cluster(panel: Panel, api: Deps, cluster: str) -> None:
    async def status_after(function: Callable[[Any], Any]) -> tuple[str, int]:
        def use(client: Any) -> tuple[str, int]:
            function(client)
            (shown,) = client.clusters.list(detail=True)
            return shown.status, shown.node_count

        found: tuple[str, int] = await panel(use)
        await finish(api, cluster, "UPDATE_COMPLETE")
        return found

    def counted(client: Any) -> None:
        patch = [{"op": "replace", "path": "/node_count", "value": "4"}]
        client.clusters.update(cluster, patch, rollback=True)

    def resized(client: Any) -> None:
        groups = client.nodegroups.list(cluster)
        worker = next(group.uuid for group in groups if group.role == "worker")
        client.clusters.resize(cluster, 3, nodes_to_remove=[], nodegroup=worker)

    def upgraded(client: Any) -> None:
        newer = client.cluster_templates.create(**TEMPLATE | {"labels": {"kube_tag": "v1.35.0"}})
        client.clusters.upgrade(cluster, newer.uuid, max_batch_size="2", nodegroup=None)

    def trusted_again(client: Any) -> None:
        client.certificates.rotate_ca(cluster_uuid=cluster)

    def rotated(client: Any) -> None:
        client.credentials.update(cluster)

    assert await panel(lambda client: client.clusters.get(cluster).labels) == {**TEMPLATE["labels"], "added": "yes"}  # type: ignore[dict-item]
    assert await status_after(counted) == ("UPDATE_IN_PROGRESS", 4)
    assert await status_after(resized) == ("UPDATE_IN_PROGRESS", 3)
    assert await status_after(upgraded) == ("UPDATE_IN_PROGRESS", 3)
    assert await status_after(trusted_again) == ("UPDATE_IN_PROGRESS", 3)
    assert await status_after(rotated) == ("UPDATE_IN_PROGRESS", 3)
    assert await status_after(lambda client: client.clusters.delete(cluster)) == ("DELETE_IN_PROGRESS", 3)


async def test_configuration_and_statistics(panel: Panel, cluster: str) -> None:
    def use(client: Any) -> None:
        shown = client.clusters.get(cluster)
        assert (shown.api_address, shown.docker_volume_size) == ("https://203.0.113.7:6443", 6)
        keys = generate_csr_and_key()
        authority = x509.load_pem_x509_certificate(client.certificates.get(cluster_uuid=cluster).pem.encode())
        signed = client.certificates.create(cluster_uuid=cluster, csr=keys["csr"])
        x509.load_pem_x509_certificate(signed.pem.encode()).verify_directly_issued_by(authority)
        found = client.stats.list(project_id=None)
        assert (found.clusters, found.nodes) == (1, 3)

    await panel(use)


async def test_quotas(panel: Panel, openstack: TestCloud) -> None:
    project = openstack.project_ids["demo"]

    def use(client: Any) -> None:
        made = client.quotas.create(project_id=project, resource="Cluster", hard_limit="3")
        assert (made.project_id, made.hard_limit) == (project, 3)
        assert client.quotas.update(project, "Cluster", {"hard_limit": "5"}).hard_limit == 5
        assert [(each.project_id, each.hard_limit) for each in client.quotas.list(all_tenants=True)] == [(project, 5)]
        assert client.quotas.get(project, "Cluster").hard_limit == 5
        client.quotas.delete(project, "Cluster")
        assert client.quotas.get(project, "Cluster").hard_limit == 20  # where there is none, the limit for everybody

    await panel(use, "admin")
