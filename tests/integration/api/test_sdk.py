"""openstacksdk, which nobody here wrote: every method of its proxy and of its cloud layer, over real sockets.

Rule: the SDK names no microversion, so all of this is what a client of 1.1 sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar

import openstack as openstacksdk
import pytest
from cryptography import x509
from openstack import exceptions
from sqlalchemy import select

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from services.api.deps import Deps
from shared.db.models import Cluster
from tests.support.csr import make_csr
from tests.support.served_api import api_fixture, cloud_fixture, finish

T = TypeVar("T")
PORT = free_port()
# The SDK warns of its own support for InfluxDB, whoever connects, and of its own certificate resource.
pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
    pytest.mark.timeout(300),
]


openstack = cloud_fixture(PORT)
api = api_fixture(PORT, provisioner=True)


class Sdk:
    """Runs functions of a connection in a thread: the SDK is synchronous, and the API answers from this loop."""

    def __init__(self, cloud: TestCloud) -> None:
        self._cloud = cloud

    @contextmanager
    def _connection(self, user: str) -> Any:
        environment = self._cloud.environment(user, user)
        connection = openstacksdk.connect(
            auth_url=environment["OS_AUTH_URL"],
            username=environment["OS_USERNAME"],
            password=environment["OS_PASSWORD"],
            project_name=environment["OS_PROJECT_NAME"],
            user_domain_name="Default",
            project_domain_name="Default",
            region_name=environment["OS_REGION_NAME"],
        )
        try:
            yield connection
        finally:
            connection.close()

    async def __call__(self, function: Callable[[Any], T], user: str = "demo") -> T:
        def use() -> T:
            with self._connection(user) as connection:
                return function(connection)

        return await asyncio.to_thread(use)


@pytest.fixture
async def sdk(openstack: TestCloud, api: Deps) -> Sdk:
    return Sdk(openstack)


@pytest.fixture
def template(openstack: TestCloud) -> dict[str, Any]:
    names = {"image_id": openstack.image, "flavor_id": openstack.flavor, "master_flavor_id": openstack.flavor}
    return {"name": "k8s", "coe": "kubernetes", "external_network_id": openstack.external_network, **names}


async def test_the_proxy(sdk: Sdk, api: Deps, template: dict[str, Any]) -> None:
    def create(connection: Any) -> tuple[str, Any]:
        proxy = connection.container_infrastructure_management
        made = proxy.create_cluster_template(**template, labels={"a": "b"})
        renamed = proxy.update_cluster_template(made, name="k9s", docker_volume_size=5)
        assert (renamed.name, renamed.docker_volume_size, renamed.labels) == ("k9s", 5, {"a": "b"})
        assert [each.name for each in proxy.cluster_templates()] == ["k9s"]
        assert proxy.get_cluster_template(made.id).coe == "kubernetes"
        assert proxy.find_cluster_template("k9s").uuid == made.id
        assert proxy.find_cluster_template("nothing") is None
        cluster = proxy.create_cluster(name="c1", cluster_template_id=made.id, node_count=2)
        assert [each.name for each in proxy.clusters()] == ["c1"]
        shown = proxy.get_cluster(cluster.id)
        assert (shown.status, shown.node_count, shown.labels) == ("CREATE_IN_PROGRESS", 2, {"a": "b"})
        assert proxy.find_cluster("c1").uuid == cluster.id
        with pytest.raises(exceptions.NotFoundException):
            proxy.find_cluster("nothing", ignore_missing=False)
        with pytest.raises(exceptions.BadRequestException):  # a cluster refers to it
            proxy.delete_cluster_template(made.id)
        return cluster.id, made.id

    uuid, template_id = await sdk(create)
    await finish(api, uuid)

    def use(connection: Any) -> None:
        proxy = connection.container_infrastructure_management
        assert proxy.wait_for_status(proxy.get_cluster(uuid), status="CREATE_COMPLETE", wait=30).id == uuid
        authority = x509.load_pem_x509_certificate(proxy.get_cluster_certificate(uuid).pem.encode())
        signed = proxy.create_cluster_certificate(cluster_uuid=uuid, csr=make_csr("ops", "operators"))
        x509.load_pem_x509_certificate(signed.pem.encode()).verify_directly_issued_by(authority)
        # By id the SDK sends a patch that Magnum itself refuses: it moves the id, and adds what is there.
        proxy.update_cluster(uuid, node_count=3)
        shown = proxy.get_cluster(uuid)
        assert (shown.status, shown.node_count) == ("UPDATE_IN_PROGRESS", 3)
        with pytest.raises(exceptions.ForbiddenException):
            list(proxy.services())

    await sdk(use)
    await finish(api, uuid, "UPDATE_COMPLETE")

    def delete(connection: Any) -> None:
        proxy = connection.container_infrastructure_management
        proxy.delete_cluster(uuid)
        assert proxy.get_cluster(uuid).status == "DELETE_IN_PROGRESS"
        assert proxy.delete_cluster("nothing") is None
        assert proxy.delete_cluster_template("nothing") is None
        assert proxy.get_cluster_template(template_id).id == template_id

    await sdk(delete)


async def test_the_cloud_layer(sdk: Sdk, api: Deps, template: dict[str, Any]) -> None:
    def create(connection: Any) -> str:
        chosen = {name: template[name] for name in ("external_network_id", "flavor_id", "master_flavor_id")}
        made = connection.create_cluster_template("k8s", image_id=template["image_id"], coe="kubernetes", **chosen)
        assert connection.update_cluster_template("k8s", name="k9s").name == "k9s"
        assert [each.id for each in connection.list_cluster_templates()] == [made.id]
        assert [each.id for each in connection.search_cluster_templates("k9s")] == [made.id]
        assert connection.get_cluster_template("k9s").uuid == made.id
        assert connection.get_cluster_template("nothing") is None
        cluster = connection.create_coe_cluster(name="c1", cluster_template_id=made.id, node_count=1)
        assert [each.name for each in connection.list_coe_clusters()] == ["c1"]
        assert [each.name for each in connection.search_coe_clusters("c1")] == ["c1"]
        assert connection.search_coe_clusters("nothing") == []
        assert connection.get_coe_cluster("c1").uuid == cluster.id
        return str(cluster.id)

    uuid = await sdk(create)
    await finish(api, uuid)

    def use(connection: Any) -> None:
        authority = x509.load_pem_x509_certificate(connection.get_coe_cluster_certificate(uuid).pem.encode())
        signed = connection.sign_coe_cluster_certificate(uuid, make_csr("ops", "operators"))
        x509.load_pem_x509_certificate(signed.pem.encode()).verify_directly_issued_by(authority)
        connection.update_coe_cluster("c1", node_count=2)
        assert connection.get_coe_cluster("c1").status == "UPDATE_IN_PROGRESS"

    await sdk(use)
    await finish(api, uuid, "UPDATE_COMPLETE")

    def delete(connection: Any) -> None:
        assert connection.delete_coe_cluster("c1") is True
        assert connection.delete_coe_cluster("nothing") is False
        assert connection.delete_cluster_template("nothing") is False
        assert connection.get_coe_cluster("c1").status == "DELETE_IN_PROGRESS"

    await sdk(delete)


async def test_waiting(sdk: Sdk, api: Deps, template: dict[str, Any]) -> None:
    """The SDK's own loops, while a cluster gets from one state to the next."""

    def create(connection: Any) -> str:
        proxy = connection.container_infrastructure_management
        made = proxy.create_cluster_template(**template)
        return str(proxy.create_cluster(name="c1", cluster_template_id=made.id).id)

    uuid = await sdk(create)

    async def until(status: str, failures: list[str] | None = None) -> Any:
        def wait(connection: Any) -> Any:
            proxy = connection.container_infrastructure_management
            return proxy.wait_for_status(proxy.find_cluster("c1"), status, failures, interval=0.1, wait=60)

        return await sdk(wait)

    waiting = asyncio.create_task(until("CREATE_COMPLETE", ["CREATE_FAILED"]))
    await finish(api, uuid)
    assert (await waiting).status == "CREATE_COMPLETE"

    def grow(connection: Any) -> None:
        proxy = connection.container_infrastructure_management
        proxy.update_cluster(proxy.find_cluster("c1"), node_count=2)

    await sdk(grow)
    waiting = asyncio.create_task(until("UPDATE_COMPLETE", ["UPDATE_FAILED"]))
    await finish(api, uuid, "UPDATE_FAILED")
    with pytest.raises(exceptions.ResourceFailure, match="UPDATE_FAILED"):
        await waiting

    def delete(connection: Any) -> str:
        proxy = connection.container_infrastructure_management
        cluster = proxy.find_cluster("c1")
        proxy.delete_cluster(cluster)
        return str(proxy.wait_for_delete(cluster, interval=0.1, wait=60).uuid)

    deleting = asyncio.create_task(sdk(delete))
    while not deleting.done():
        async with api.db.transaction() as session:
            cluster = await session.scalar(select(Cluster).where(Cluster.status == "DELETE_IN_PROGRESS"))
            if cluster is not None:
                await session.delete(cluster)
        await asyncio.sleep(0.05)
    assert await deleting == uuid


async def test_lists_and_lookups(sdk: Sdk, api: Deps, template: dict[str, Any]) -> None:
    def use(connection: Any) -> None:
        proxy = connection.container_infrastructure_management
        templates = [proxy.create_cluster_template(**template | {"name": f"k{number}"}) for number in range(3)]
        made = [proxy.create_cluster(name=f"c{number}", cluster_template_id=templates[0].id) for number in range(5)]
        ids = [each.id for each in made]
        # The SDK follows `next` from page to page: 2, 2 and 1 of them.
        assert [each.id for each in proxy.clusters(limit=2)] == ids
        assert [each.id for each in proxy.clusters(limit=2, paginated=False)] == ids[:2]
        assert [each.id for each in proxy.clusters(marker=ids[2])] == ids[3:]
        assert [each.id for each in proxy.clusters(name="c3")] == [ids[3]]
        assert [each.id for each in proxy.cluster_templates(limit=1)] == [each.id for each in templates]
        # Found by name, a resource of the SDK keeps the name as its id; its uuid is the cluster's.
        assert (proxy.find_cluster("c4").uuid, proxy.find_cluster(ids[4]).name) == (ids[4], "c4")
        assert (proxy.find_cluster_template("k2").uuid, proxy.get_cluster("c0").uuid) == (templates[2].id, ids[0])
        proxy.create_cluster(name="c0", cluster_template_id=templates[0].id)
        with pytest.raises(exceptions.ConflictException):
            proxy.find_cluster("c0", ignore_missing=False)

    await sdk(use)


async def test_actions(sdk: Sdk, api: Deps, template: dict[str, Any]) -> None:
    """Resize and upgrade, only on the SDK's resource; it sends an empty `Accept` and no version with them."""

    def create(connection: Any) -> str:
        proxy = connection.container_infrastructure_management
        made = proxy.create_cluster_template(**template, labels={"kube_tag": "v1.34.1"})
        proxy.create_cluster_template(**template | {"name": "newer", "labels": {"kube_tag": "v1.35.0"}})
        return str(proxy.create_cluster(name="c1", cluster_template_id=made.id).id)

    uuid = await sdk(create)
    await finish(api, uuid)

    def act(action: str, **arguments: Any) -> Callable[[Any], tuple[str, int]]:
        def use(connection: Any) -> tuple[str, int]:
            proxy = connection.container_infrastructure_management
            cluster = proxy.get_cluster(uuid)
            with pytest.raises(TypeError, match="not subscriptable"):  # its own, after the request was taken
                getattr(cluster, action)(proxy, **arguments)
            shown = proxy.get_cluster(uuid)
            return shown.status, shown.node_count

        return use

    assert await sdk(act("resize", node_count=3)) == ("UPDATE_IN_PROGRESS", 3)
    await finish(api, uuid, "UPDATE_COMPLETE")
    assert await sdk(act("upgrade", cluster_template="newer")) == ("UPDATE_IN_PROGRESS", 3)


async def test_services(sdk: Sdk) -> None:
    def use(connection: Any) -> tuple[list[tuple[str, str, int]], list[str]]:
        found = connection.container_infrastructure_management.services()
        return [(each.binary, each.state, each.report_count) for each in found], [
            each.host for each in connection.list_magnum_services()
        ]

    assert await sdk(use, "admin") == ([("magnum-conductor", "up", 1)], ["machine:7"])
