"""How often a request asks the cloud, and that it is never refused because of an old answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sandbox.openstack.testing import TestCloud
from services.api.deps import Deps
from tests.support.cloud_queries import cloud_queries
from tests.support.served_api import finish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvPlH4tsB8xQqyiTBTfyWAZNvx5aYcd7OfkXwV6wJpl"
COLD = {
    ("compute", "/v2.1/flavors/detail"): 1,
    ("compute", "/v2.1/limits"): 1,
    ("compute", "/v2.1/os-keypairs/{name}"): 1,
    ("image", "/v2/images"): 1,
    ("network", "/v2.0/networks"): 1,
    ("network", "/v2.0/quotas/{project}/details.json"): 1,
}
QUOTAS = {key: 1 for key in COLD if "limits" in key[1] or "quotas" in key[1]}
Asked = Callable[[], Awaitable[dict[tuple[str, str], int]]]


@pytest.fixture
async def asked(openstack: TestCloud) -> Asked:
    """The requests to the simulated cloud since the last call, except those about tokens."""

    async def asked() -> dict[tuple[str, str], int]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            shown = (await client.get(f"{openstack.url}/requests")).json()["requests"]
            await client.delete(f"{openstack.url}/requests")
        counts: dict[tuple[str, str], int] = {}
        for line in shown:
            if line["service"] != "identity":
                key = (line["service"], line["route"])
                counts[key] = counts.get(key, 0) + line["count"]
        return counts

    return asked


@pytest.fixture
def later(deps: Deps) -> Callable[[float], None]:
    """Lets time pass for the cache and the promises."""
    plain, passed = deps.answers.clock, [0.0]
    deps.answers.clock = deps.promises._clock = lambda: plain() + passed[0]

    def later(seconds: float) -> None:
        passed[0] += seconds

    return later


def detail(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["detail"])


async def test_a_resource_is_asked_for_once(
    user: httpx.AsyncClient, deps: Deps, template: dict[str, Any], asked: Asked, later: Callable[[float], None]
) -> None:
    body = {"cluster_template_id": "k8s", "keypair": "lab", "flavor_id": "m1.small", "master_flavor_id": "m1.medium"}
    later(3600)
    await asked()
    before = await cloud_queries(user.request)
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    assert await asked() == COLD
    counted = {service: count - before[service] for service, count in (await cloud_queries(user.request)).items()}
    assert counted == {"compute": 3, "image": 1, "network": 2}
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    assert (await user.post("/v1/clusters?dry_run=true", json=body)).json()["accepted"]
    assert await asked() == {}
    later(deps.settings.preflight_quota_seconds)
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    assert await asked() == QUOTAS
    later(deps.settings.preflight_cache_seconds)
    posts = [user.post("/v1/clusters", json=body | {"name": f"c{number}"}) for number in range(8)]
    assert {answer.status_code for answer in await asyncio.gather(*posts)} == {202}
    assert await asked() == COLD


async def test_nodegroups_resizes_and_templates_use_the_same_answers(
    user: httpx.AsyncClient, deps: Deps, template: dict[str, Any], asked: Asked
) -> None:
    cluster = (await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "name": "c1"})).json()["uuid"]
    await finish(deps, cluster)
    await asked()
    assert (await user.post("/v1/clusters/c1/nodegroups", json={"name": "more"})).status_code == 202
    await finish(deps, cluster)
    assert (await user.post("/v1/clusters/c1/actions/resize", json={"node_count": 3})).status_code == 202
    copied = {name: template[name] for name in ("coe", "image_id", "flavor_id", "external_network_id")}
    assert (await user.post("/v1/clustertemplates", json=copied | {"name": "copy"})).status_code == 201
    # Templates name the image that clusters look up; a nodegroup of the cluster has its ID.
    assert set(await asked()) <= {("image", "/v2/images/{id}")}


async def test_answers_are_not_shared_between_users(
    user: httpx.AsyncClient, login: Any, template: dict[str, Any], asked: Asked
) -> None:
    body = {"cluster_template_id": "k8s", "keypair": "lab"}
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    public = [{"op": "replace", "path": "/public", "value": True}]
    admin = await login("admin", "admin")
    assert (await admin.patch("/v1/clustertemplates/k8s", json=public)).status_code == 200
    await asked()
    other = await login("alt", "alt")
    assert (await other.post("/v1/clusters", json=body)).status_code == 202
    assert await asked() == COLD
    # A new token of the same user has the same rights.
    assert (await (await login()).post("/v1/clusters", json=body)).status_code == 202
    assert await asked() == {}


class World:
    """Changes of a cloud behind the API's back: before, a request is refused, or what it found is not true any more."""

    def __init__(self, openstack: TestCloud) -> None:
        self.cloud = openstack.cloud
        self.project = openstack.project_ids["demo"]
        self.user = openstack.user_ids["demo"]

    def small_flavor(self) -> None:
        self.flavors.add({"id": "f1", "name": "renewed", "vcpus": 1, "ram": 512, "disk": 0})

    def flavor_deleted_and_made_again(self) -> None:
        self.flavors.remove("f1")
        self.flavors.add({"id": "f2", "name": "renewed", "vcpus": 1, "ram": 512, "disk": 10})

    @property
    def flavors(self) -> Any:
        return self.cloud.servers.flavors.rows

    def queued_image(self) -> None:
        row = self.cloud.images._new("i1", "uploaded", self.project, "private", {"os_distro": "ubuntu"})
        self.cloud.images.rows.add(row | {"status": "queued"})

    def image_became_active(self) -> None:
        row = self.cloud.images.rows.get("i1")
        assert row is not None
        self.cloud.images.rows.update(row, status="active")

    def image_of_nothing(self) -> None:
        self.cloud.images.rows.add(self.cloud.images._new("i1", "uploaded", self.project, "private", {}))

    def image_got_a_distribution(self) -> None:
        self.cloud.images.rows.remove("i1")
        row = self.cloud.images._new("i2", "uploaded", self.project, "private", {"os_distro": "ubuntu"})
        self.cloud.images.rows.add(row)

    def network_without_subnet(self) -> None:
        self.network = self.cloud.neutron.networks.create_network(self.project, {"name": "mine"})["id"]

    def network_got_a_subnet(self) -> None:
        self.cloud.neutron.networks.create_subnet(self.project, {"network_id": self.network, "cidr": "10.9.0.0/24"})

    def network_made(self) -> None:
        self.network_without_subnet()
        self.network_got_a_subnet()

    def certificate(self) -> None:
        row = self.cloud.servers.keypairs.add(self.user, "mine", KEY)
        self.cloud.servers.keypairs.rows.update(row, public_key="-----BEGIN CERTIFICATE-----")

    def keypair_made_again(self) -> None:
        self.cloud.servers.keypairs.rows.remove(f"{self.user}/mine")
        self.cloud.servers.keypairs.add(self.user, "mine", KEY)

    def keypair_made(self) -> None:
        self.cloud.servers.keypairs.add(self.user, "mine", KEY)

    def small_quota(self) -> None:
        self.cloud.servers.quotas.rows.add({"id": self.project, "instances": 1})

    def quota_raised(self) -> None:
        self.cloud.servers.quotas.rows.remove(self.project)

    def small_network_quota(self) -> None:
        self.cloud.neutron.state.quotas.add({"id": self.project, **self.cloud.neutron.state.limits(""), "port": 1})

    def network_quota_raised(self) -> None:
        self.cloud.neutron.state.quotas.remove(self.project)

    def nothing(self) -> None:
        pass


@pytest.mark.parametrize(
    ("before", "given", "words", "change"),
    [
        ("small_flavor", {"flavor_id": "renewed"}, "zero root volume", "flavor_deleted_and_made_again"),
        ("network_without_subnet", {"fixed_network": "mine"}, "has no subnet", "network_got_a_subnet"),
        ("nothing", {"fixed_network": "mine"}, "Unable to find fixed network mine", "network_made"),
        ("certificate", {"keypair": "mine"}, "is not an SSH key", "keypair_made_again"),
        ("nothing", {"keypair": "mine"}, "Unable to find keypair mine", "keypair_made"),
        ("small_quota", {}, "Quota exceeded for instances", "quota_raised"),
        ("small_network_quota", {}, "Quota exceeded for port", "network_quota_raised"),
    ],
)
async def test_no_cluster_is_refused_because_of_an_old_answer(
    user: httpx.AsyncClient,
    openstack: TestCloud,
    template: dict[str, Any],
    before: str,
    given: dict[str, Any],
    words: str,
    change: str,
) -> None:
    world = World(openstack)
    getattr(world, before)()
    body = {"cluster_template_id": "k8s"} | given
    for _ in range(2):
        refused = await user.post("/v1/clusters", json=body)
        assert refused.status_code in {400, 403, 404}
        assert words in detail(refused)
    getattr(world, change)()
    accepted = await user.post("/v1/clusters", json=body)
    assert accepted.status_code == 202, accepted.text


@pytest.mark.parametrize(
    ("before", "words", "change"),
    [
        ("queued_image", "is not active but queued", "image_became_active"),
        ("image_of_nothing", "doesn't contain os_distro field", "image_got_a_distribution"),
    ],
)
async def test_no_image_is_refused_because_of_an_old_answer(
    user: httpx.AsyncClient,
    openstack: TestCloud,
    template: dict[str, Any],
    deps: Deps,
    before: str,
    words: str,
    change: str,
) -> None:
    world = World(openstack)
    getattr(world, before)()
    copied = {name: template[name] for name in ("coe", "flavor_id", "external_network_id")}
    made = await user.post("/v1/clustertemplates", json=copied | {"name": "other", "image_id": "ubuntu-24.04"})
    assert made.status_code == 201
    async with deps.db.transaction() as session:
        await session.execute(text("UPDATE cluster_templates SET image_id = 'uploaded' WHERE name = 'other'"))
    for _ in range(2):
        refused = await user.post("/v1/clusters", json={"cluster_template_id": "other"})
        assert (refused.status_code, words in detail(refused)) == (400, True), refused.text
    getattr(world, change)()
    for path, body in (
        ("clusters", {"cluster_template_id": "other"}),
        ("clustertemplates", copied | {"image_id": "uploaded"}),
    ):
        accepted = await user.post(f"/v1/{path}", json=body)
        assert accepted.is_success, accepted.text


async def test_growth_and_templates_are_not_refused_because_of_an_old_answer(
    user: httpx.AsyncClient, openstack: TestCloud, template: dict[str, Any], deps: Deps
) -> None:
    world = World(openstack)
    cluster = (await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "name": "c1"})).json()["uuid"]
    await finish(deps, cluster)
    world.small_quota()
    resize = {"node_count": 2}
    deps.settings = deps.settings.model_copy(update={"preflight_quota_seconds": 0})
    assert (await user.post("/v1/clusters/c1/actions/resize", json=resize)).status_code == 403
    deps.settings = deps.settings.model_copy(update={"preflight_quota_seconds": 60})
    world.quota_raised()
    assert (await user.post("/v1/clusters/c1/actions/resize", json=resize)).status_code == 202
    await finish(deps, cluster)
    world.small_flavor()
    group = {"name": "more", "flavor_id": "renewed"}
    assert "zero root volume" in detail(await user.post("/v1/clusters/c1/nodegroups", json=group))
    world.flavor_deleted_and_made_again()
    assert (await user.post("/v1/clusters/c1/nodegroups", json=group)).status_code == 202
    six = world.cloud.neutron.networks.create_network(world.project, {"name": "n"})["id"]
    made = {"network_id": six, "cidr": "2001:db8::/64", "name": "sub"}
    old = world.cloud.neutron.networks.create_subnet(world.project, made)["id"]
    copied = {name: template[name] for name in ("coe", "image_id", "flavor_id", "external_network_id")}
    new = copied | {"fixed_subnet": "sub"}
    assert "is an IPv6 subnet" in detail(await user.post("/v1/clustertemplates", json=new))
    world.cloud.neutron.networks.delete_subnet(old)
    world.cloud.neutron.networks.create_subnet(world.project, made | {"cidr": "10.3.0.0/24"})
    answer = await user.post("/v1/clustertemplates", json=new)
    assert answer.status_code == 201, answer.text


async def test_a_burst_does_not_overrun_a_quota(
    user: httpx.AsyncClient, openstack: TestCloud, template: dict[str, Any], later: Callable[[float], None]
) -> None:
    World(openstack).cloud.servers.quotas.rows.add({"id": openstack.project_ids["demo"], "instances": 5})
    body = {"cluster_template_id": "k8s", "node_count": 1}
    posts = [user.post("/v1/clusters", json=body) for _ in range(8)]
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [202] * 2 + [403] * 6
    words = "Quota exceeded for instances: 2 needed, 0 of 5 in use, 4 needed by requests that were just accepted."
    assert {detail(answer) for answer in answers if answer.status_code == 403} == {f"Resource limit exceeded: {words}"}
    planned = (await user.post("/v1/clusters?dry_run=true", json=body)).json()
    assert planned["problems"] == [words]
    # The cloud does not count what was accepted, because no service builds it here; a new answer changes nothing.
    later(10)
    assert (await user.post("/v1/clusters", json=body)).status_code == 403
    # A deleted cluster needs nothing; a promise that the cloud never counts ends.
    deleted = next(answer for answer in answers if answer.status_code == 202).json()["uuid"]
    assert (await user.delete(f"/v1/clusters/{deleted}")).status_code == 204
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    assert (await user.post("/v1/clusters", json=body)).status_code == 403
    later(61)
    assert (await user.post("/v1/clusters", json=body)).status_code == 202


async def test_a_request_that_ends_in_an_error_promises_nothing(
    user: httpx.AsyncClient, openstack: TestCloud, template: dict[str, Any], deps: Deps, monkeypatch: pytest.MonkeyPatch
) -> None:
    World(openstack).cloud.servers.quotas.rows.add({"id": openstack.project_ids["demo"], "instances": 2})
    body = {"cluster_template_id": "k8s", "node_count": 1}
    deps.settings = deps.settings.model_copy(update={"max_clusters_per_project": 1})

    async def fail(*_arguments: Any) -> None:
        raise OSError("the connection was lost")

    with monkeypatch.context() as patched:
        patched.setattr("services.api.clusters.create.take_quota", fail)
        assert (await user.post("/v1/clusters", json=body)).status_code == 503
    assert (await user.post("/v1/clusters", json=body)).status_code == 202


async def test_what_is_accepted_on_an_old_answer_is_not_asked_again(
    user: httpx.AsyncClient, openstack: TestCloud, template: dict[str, Any]
) -> None:
    body = {"cluster_template_id": "k8s", "keypair": "lab"}
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
    world = World(openstack)
    world.cloud.servers.keypairs.rows.remove(f"{world.user}/lab")
    assert (await user.post("/v1/clusters", json=body)).status_code == 202
