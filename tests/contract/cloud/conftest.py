"""The clouds the suite runs against: the simulated one always, a real one where `JEROBOAM_TEST_CLOUD` names it.

Rule: a test sees `Cloud` and `CloudFactory` and names of things, never which cloud it is on. The file that
`JEROBOAM_TEST_CLOUD` points at is JSON with the fields of `Place`; the project's laboratory writes it (`deploy/lab`).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.openstack.testing import running_cloud
from shared.cloud.contract import Cloud, CloudFactory
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.settings import CloudSettings
from shared.cloud.types import Stack

REAL = os.environ.get("JEROBOAM_TEST_CLOUD")


@dataclass(frozen=True)
class Place:
    """Where a cloud is and what is in it. Two users, each with a project of their own.

    Args:
        service: fields of `CloudSettings` for Jeroboam's own user.
        users, projects: name and project id of `one` and `two`; `password` is both users'.
        domain: the domain both users are in.
        notifications: OpenStack's own RabbitMQ, where there is one.
        names: of a flavor, a flavor too large for any host, an image and its os_distro, an external network and
            a key pair.
    """

    auth_url: str
    service: dict[str, Any]
    users: dict[str, str]
    projects: dict[str, str]
    password: str
    domain: str
    names: dict[str, str]
    poll: float
    notifications: str | None = None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        real = [pytest.param("real", marks=[pytest.mark.openstack, pytest.mark.timeout(900)])] if REAL else []
        metafunc.parametrize("place", ["simulated", *real], indirect=True)


@pytest.fixture
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "real":
        assert REAL is not None
        text = await asyncio.to_thread(Path(REAL).read_text)
        # The file may say more of the machine than the contract asks for.
        known = {field.name for field in fields(Place)}
        yield Place(**{name: value for name, value in json.loads(text).items() if name in known}, poll=1.0)
        return
    async with running_cloud() as cloud:
        yield Place(
            auth_url=cloud.auth_url,
            service={"username": "jeroboam", "password": cloud.password, "project_name": "service"},
            users={"one": "demo", "two": "alt"},
            projects={"one": cloud.project_ids["demo"], "two": cloud.project_ids["alt"]},
            password=cloud.password,
            domain="Default",
            names={
                "flavor": "m1.small",
                "impossible_flavor": "m1.impossible",
                "image": "ubuntu-24.04",
                "os_distro": "ubuntu",
                "external_network": "public",
                "keypair": "lab",
            },
            poll=0.05,
        )


@pytest.fixture
async def make_factory(place: Place) -> AsyncIterator[Callable[..., OpenStackCloudFactory]]:
    """Factories with settings of one's own; closed at the end."""
    made: list[OpenStackCloudFactory] = []

    def make(**changes: Any) -> OpenStackCloudFactory:
        values = {"auth_url": place.auth_url, **place.service, **changes}
        made.append(OpenStackCloudFactory(CloudSettings(**values)))
        return made[-1]

    yield make
    for factory in made:
        await factory.close()


@pytest.fixture
def factory(make_factory: Callable[..., CloudFactory]) -> CloudFactory:
    return make_factory()


@pytest.fixture
def names(place: Place) -> dict[str, str]:
    return place.names


@pytest.fixture
def projects(place: Place) -> dict[str, str]:
    return place.projects


@pytest.fixture
def cloud(factory: CloudFactory, projects: dict[str, str]) -> Cloud:
    """The service user in the first user's project."""
    return factory.for_project(projects["one"])


@pytest.fixture
def other_cloud(factory: CloudFactory, projects: dict[str, str]) -> Cloud:
    return factory.for_project(projects["two"])


@pytest.fixture
def token_of(place: Place) -> Callable[..., Awaitable[str]]:
    """A fresh token of user `one` or `two`, scoped to a project of theirs unless `scoped` is False."""

    async def token(who: str, *, scoped: bool = True) -> str:
        user = {"name": place.users[who], "domain": {"name": place.domain}, "password": place.password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = {"project": {"id": place.projects[who]}} if scoped else "unscoped"
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{place.auth_url}/auth/tokens", json={"auth": auth})
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    return token


@pytest.fixture
async def user_cloud(factory: CloudFactory, projects: dict[str, str], token_of: Callable[..., Awaitable[str]]) -> Cloud:
    """The first user, with their own token."""
    return factory.for_token(await token_of("one"), projects["one"])


@pytest.fixture
def cluster_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def eventually(place: Place) -> Callable[..., Awaitable[None]]:
    """Waits until a coroutine function returns something true; fails after `seconds`."""

    async def wait(condition: Callable[[], Awaitable[object]], *, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not await condition():
            assert time.monotonic() < end, f"still not so after {seconds} s"
            await asyncio.sleep(place.poll)

    return wait


@pytest.fixture
async def stacks(cloud: Cloud, cluster_id: str, eventually: Callable[..., Awaitable[None]]) -> AsyncIterator[Any]:
    """Makes stacks of this test and waits for them; removes what is left of them at the end."""
    made: list[str] = []

    class Stacks:
        name = f"jeroboam-{cluster_id}-shard"
        tag = f"jeroboam-cluster-{cluster_id}"

        async def create(self, template: dict[str, Any], name: str | None = None) -> Stack:
            made.append(name or self.name)
            return await cloud.create_stack(made[-1], template, tags=[self.tag, "shard"], timeout_minutes=30)

        async def settled(self, name_or_id: str) -> Stack:
            async def still() -> bool:
                stack = await cloud.find_stack(name_or_id)
                return stack is not None and not stack.in_progress

            await eventually(still)
            stack = await cloud.find_stack(name_or_id)
            assert stack is not None
            return stack

        async def gone(self, name_or_id: str) -> None:
            """Waits until a deleted stack is gone; a delete that failed is asked for again, as the product does.

            A real Heat fails one now and then that comes while the stack is made; the second one succeeds.
            """
            attempts = 3

            async def absent() -> bool:
                nonlocal attempts
                stack = await cloud.find_stack(name_or_id)
                if stack is not None and stack.failed:
                    attempts -= 1
                    assert attempts > 0, stack.status_reason
                    await cloud.delete_stack(name_or_id)
                return stack is None

            await eventually(absent)

    yield Stacks()
    for name in dict.fromkeys(made):
        await cloud.delete_stack(name)
        await Stacks().gone(name)


@pytest.fixture
def shard(names: dict[str, str], cluster_id: str) -> Callable[..., dict[str, Any]]:
    """A template like the product's: a network, and for each node a port and a server, all written out."""

    def template(*indexes: int, flavor: str | None = None) -> dict[str, Any]:
        resources: dict[str, Any] = {
            "network": {"type": "OS::Neutron::Net", "properties": {"name": f"jeroboam-{cluster_id}"}},
            "subnet": {
                "type": "OS::Neutron::Subnet",
                "properties": {"network": {"get_resource": "network"}, "cidr": "10.0.0.0/24"},
            },
        }
        outputs: dict[str, Any] = {}
        for index in indexes:
            resources[f"port-{index}"] = {
                "type": "OS::Neutron::Port",
                "properties": {
                    "name": f"jeroboam-{cluster_id}-{index}",
                    "network": {"get_resource": "network"},
                    "fixed_ips": [{"subnet": {"get_resource": "subnet"}}],
                },
            }
            resources[f"node-{index}"] = {
                "type": "OS::Nova::Server",
                "properties": {
                    "name": f"node-{index}",
                    "image": names["image"],
                    "flavor": flavor or names["flavor"],
                    "networks": [{"port": {"get_resource": f"port-{index}"}}],
                    "metadata": {"jeroboam_cluster": cluster_id, "jeroboam_node": f"node-{index}"},
                    "user_data_format": "RAW",
                    "user_data": "#cloud-config\n{}\n",
                },
            }
            outputs[f"address-{index}"] = {"value": {"get_attr": [f"port-{index}", "fixed_ips", 0, "ip_address"]}}
        return {"heat_template_version": "2018-08-31", "resources": resources, "outputs": outputs}

    return template
