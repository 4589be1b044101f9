"""What the preflight asks, with the user's own token."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cloud.contract import Cloud, CloudFactory
from shared.domain.errors import PermanentError

MISSING = ("no-such-thing", "0195f3a8-0000-7000-8000-000000000001", "a/b", "..", "", "ümlaut & <space>")


async def test_flavors(user_cloud: Cloud, names: dict[str, str]) -> None:
    flavor = await user_cloud.find_flavor(names["flavor"])
    assert flavor is not None
    assert (flavor.name, flavor.vcpus) == (names["flavor"], 1)
    assert flavor.ram >= 512
    assert await user_cloud.find_flavor(flavor.id) == flavor
    for name in MISSING:
        assert await user_cloud.find_flavor(name) is None


async def test_images(user_cloud: Cloud, names: dict[str, str]) -> None:
    image = await user_cloud.find_image(names["image"])
    assert image is not None
    assert (image.name, image.status, image.os_distro) == (names["image"], "active", names["os_distro"])
    assert await user_cloud.find_image(image.id) == image
    for name in MISSING:
        assert await user_cloud.find_image(name) is None


async def test_key_pairs_belong_to_their_user(user_cloud: Cloud, cloud: Cloud, names: dict[str, str]) -> None:
    keypair = await user_cloud.find_keypair(names["keypair"])
    assert keypair is not None
    assert keypair.public_key.startswith("ssh-")
    assert await cloud.find_keypair(names["keypair"]) is None
    for name in MISSING:
        assert await user_cloud.find_keypair(name) is None


async def test_external_networks(user_cloud: Cloud, names: dict[str, str]) -> None:
    network = await user_cloud.find_network(names["external_network"])
    assert network is not None
    assert network.external
    assert network in await user_cloud.list_external_networks()
    assert await user_cloud.find_network(network.id) == network
    assert await user_cloud.find_network(network.id, external=True) == network
    assert await user_cloud.find_network(network.id, external=False) is None
    assert await user_cloud.find_network(network.name, external=False) is None
    for name in MISSING:
        assert await user_cloud.find_network(name) is None
        assert await user_cloud.find_subnet(name) is None


async def test_private_networks_and_subnets(
    user_cloud: Cloud, factory: CloudFactory, projects: dict[str, str], token_of: Any, stacks: Any, shard: Any
) -> None:
    made = await stacks.create(shard())
    await stacks.settled(made.id)
    network = await user_cloud.find_network(stacks.name.removesuffix("-shard"), external=False)
    assert network is not None
    assert not network.external
    assert network not in await user_cloud.list_external_networks()
    (subnet_id,) = network.subnet_ids
    subnet = await user_cloud.find_subnet(subnet_id)
    assert subnet is not None
    assert (subnet.network_id, subnet.cidr) == (network.id, "10.0.0.0/24")
    assert await user_cloud.find_subnet(subnet.name) == subnet
    stranger = factory.for_token(await token_of("two"), projects["two"])
    assert await stranger.find_network(network.id) is None
    assert await stranger.find_subnet(subnet.id) is None


async def test_a_name_of_two_networks_is_refused(user_cloud: Cloud, stacks: Any, shard: Any, cluster_id: str) -> None:
    for suffix in ("a", "b"):
        made = await stacks.create(shard(), name=f"jeroboam-{cluster_id}-{suffix}")
        await stacks.settled(made.id)
    with pytest.raises(PermanentError, match="specify the ID"):
        await user_cloud.find_network(f"jeroboam-{cluster_id}")


async def test_quotas_count_what_is_used(user_cloud: Cloud, stacks: Any, shard: Any) -> None:
    before = await user_cloud.quotas()
    assert {"instances", "cores", "ram", "port", "network", "security_group"} <= set(before)
    made = await stacks.create(shard(0))
    await stacks.settled(made.id)
    after = await user_cloud.quotas()
    for name in ("instances", "network", "subnet"):
        assert after[name].used == before[name].used + 1, name
    # The security group `default` comes with a project's first network, so others may grow by more.
    assert after["port"].used > before["port"].used
    assert all(line.resource == name and line.used >= 0 for name, line in after.items())


async def test_services(user_cloud: Cloud, cloud: Cloud) -> None:
    for either in (user_cloud, cloud):
        assert await either.has_service("orchestration")
        assert await either.has_service("compute")
        assert not await either.has_service("no-such-service")
