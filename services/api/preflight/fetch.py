"""Queries the cloud for what `judge` checks, concurrently and with the caller's token.

Rule: nothing is decided here. If the cloud does not respond, the request returns 503. Quotas that the caller is not
allowed to read are not checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from services.api.preflight.judge import Found, Wanted
from shared.cloud.contract import Lookups
from shared.cloud.errors import Unauthorized
from shared.cloud.types import Keypair, Network, QuotaLine, Subnet
from shared.domain.errors import PermanentError


async def fetch(cloud: Lookups, wanted: Wanted) -> Found:
    """Look up everything that `Wanted` names, concurrently.

    Raises:
        TemporaryError: the cloud does not respond.
    """
    names = [name for name in dict.fromkeys((wanted.flavor, wanted.master_flavor)) if name]
    flavors = asyncio.gather(*(cloud.find_flavor(name) for name in names))
    named = asyncio.gather(
        cloud.find_image(wanted.image),
        flavors,
        _or_none(cloud.find_keypair(wanted.keypair) if wanted.keypair else None),
    )
    rest = asyncio.gather(
        _external_networks(cloud, wanted),
        _fixed_network(cloud, wanted),
        _quotas(cloud),
        cloud.has_service("load-balancer"),
    )
    (image, found_flavors, keypair), (externals, network, quotas, balancer) = await asyncio.gather(named, rest)
    return Found(
        image=image,
        flavors=dict(zip(names, found_flavors, strict=True)),
        keypair=keypair,
        external_networks=externals,
        external_network=externals[0] if len(externals) == 1 else None,
        fixed_network=network[0],
        fixed_subnet=network[1],
        quotas=quotas,
        load_balancer=balancer,
    )


async def fetch_growth(cloud: Lookups, flavor: str, image: str) -> Found:
    """Look up what additional nodes of an existing cluster depend on.

    Raises:
        TemporaryError: the cloud does not respond.
    """
    found_flavor, found_image, quotas = await asyncio.gather(
        cloud.find_flavor(flavor), cloud.find_image(image), _quotas(cloud)
    )
    return Found(image=found_image, flavors={flavor: found_flavor}, quotas=quotas)


async def _or_none(awaitable: Awaitable[Keypair | None] | None) -> Keypair | None:
    return None if awaitable is None else await awaitable


async def _external_networks(cloud: Lookups, wanted: Wanted) -> list[Network]:
    if wanted.external_network is not None:
        network = await cloud.find_network(wanted.external_network, external=True)
        return [network] if network is not None else []
    return await cloud.list_external_networks() if wanted.needs_external_network else []


async def _fixed_network(cloud: Lookups, wanted: Wanted) -> tuple[Network | None, Subnet | None]:
    """The requested network and subnet; if only one is named, the other is derived from it.

    Of a network with several subnets, the first one with IPv4 is taken.
    """
    subnet = await cloud.find_subnet(wanted.fixed_subnet) if wanted.fixed_subnet else None
    if wanted.fixed_network is None:
        return (await cloud.find_network(subnet.network_id) if subnet else None), subnet
    network = await cloud.find_network(wanted.fixed_network)
    if wanted.fixed_subnet is None and network is not None:
        for subnet_id in network.subnet_ids:
            if (subnet := await cloud.find_subnet(subnet_id)) is not None and subnet.is_ipv4:
                return network, subnet
        return network, None
    return network, subnet


async def _quotas(cloud: Lookups) -> dict[str, QuotaLine]:
    try:
        return await cloud.quotas()
    except Unauthorized:
        raise
    except PermanentError:
        return {}
