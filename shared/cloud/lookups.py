"""Queries of the preflight checks: flavors, key pairs, images, networks, subnets, quotas, and the catalogue.

Rule: a query is one request where the API allows it. An ID takes precedence over a name; a name of several resources is
an error. Resources that are not visible to the user count as missing. Nova's microversion is 2.1, the default, except
for flavors: their extra specs are shown from 2.61 on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from keystoneauth1.access import AccessInfoV3

from shared.cloud.async_rest import Service, Services
from shared.cloud.flights import Flights
from shared.cloud.rest import looks_like_id, only, segment
from shared.cloud.types import Flavor, Image, Keypair, Network, QuotaLine, Subnet
from shared.domain.errors import NotFound

EXTERNAL = "router:external"
NETWORK_QUOTAS = ("port", "network", "subnet", "router", "floatingip", "security_group", "security_group_rule")
COMPUTE_QUOTAS = {
    "instances": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "ram": ("maxTotalRAMSize", "totalRAMUsed"),
    "server_groups": ("maxServerGroups", "totalServerGroupsUsed"),
}
_EXTRA_SPECS = {"OpenStack-API-Version": "compute 2.61"}
Access = Callable[[str], Awaitable[AccessInfoV3]]


class Lookups:
    """The queries, as one user in one project: see `contract.Lookups`.

    Args:
        access: what the caller is doing, for errors -> the token to use and its catalogue.
    """

    def __init__(self, project_id: str, services: Services, access: Access) -> None:
        self.project_id = project_id
        self._services = services
        self._access = access
        self._listings: Flights[str, list[dict[str, Any]]] = Flights()

    async def find_flavor(self, name_or_id: str) -> Flavor | None:
        doing = f"find flavor {name_or_id}"
        listed = await self._flavors()
        by_id = [item for item in listed if item["id"] == name_or_id]
        named = by_id or [item for item in listed if item["name"] == name_or_id]
        item = only(named, kind="flavor", name=name_or_id)
        if item is None:
            # Nova does not list the private flavors of other projects for administrators, who may use them by ID.
            compute = await self._service("compute", doing)
            answer = await compute.get_or_none("/flavors", name_or_id, doing=doing, headers=_EXTRA_SPECS)
            item = None if answer is None else answer["flavor"]
        return None if item is None else _flavor(item)

    async def find_keypair(self, name: str) -> Keypair | None:
        doing = f"find keypair {name}"
        compute = await self._service("compute", doing)
        answer = await compute.get_or_none("/os-keypairs", name, doing=doing)
        return None if answer is None else Keypair(answer["keypair"]["name"], answer["keypair"]["public_key"])

    async def find_image(self, name_or_id: str) -> Image | None:
        doing = f"find image {name_or_id}"
        images = await self._service("image", doing)
        if looks_like_id(name_or_id):
            by_id = await images.get_or_none("/images", name_or_id, doing=doing)
            if by_id is not None:
                return _image(by_id)
        listed = await images.pages("/images", "images", doing=doing, params={"name": name_or_id})
        item = only([item for item in listed if item["name"] == name_or_id], kind="image", name=name_or_id)
        return None if item is None else _image(item)

    async def find_network(self, name_or_id: str, *, external: bool | None = None) -> Network | None:
        item = await self._find("network", name_or_id, {} if external is None else {EXTERNAL: str(external)})
        return None if item is None else _network(item)

    async def list_external_networks(self) -> list[Network]:
        doing = "list external networks"
        network = await self._service("network", doing)
        listed = await network.pages("/networks", "networks", doing=doing, params={EXTERNAL: "True"})
        return [_network(item) for item in listed]

    async def find_subnet(self, name_or_id: str) -> Subnet | None:
        item = await self._find("subnet", name_or_id, {})
        if item is None:
            return None
        return Subnet(id=item["id"], name=item["name"], network_id=item["network_id"], cidr=item["cidr"])

    async def quotas(self) -> dict[str, QuotaLine]:
        compute, network = await asyncio.gather(self._compute_quotas(), self._network_quotas())
        return {**compute, **network}

    async def has_service(self, service_type: str) -> bool:
        catalog = (await self._access("read the service catalogue")).service_catalog.catalog
        return any(entry["type"] == service_type for entry in catalog)

    async def _service(self, service_type: str, doing: str) -> Service:
        return self._services.of(await self._access(doing), service_type, doing=doing)

    async def _flavors(self) -> list[dict[str, Any]]:
        """All flavors. Concurrent callers, for example for the flavors of masters and of workers, share one request."""
        flight = self._listings.get("flavors") or self._listings.start("flavors", self._list_flavors)
        return await flight.answer()

    async def _list_flavors(self) -> list[dict[str, Any]]:
        compute = await self._service("compute", "list flavors")
        return await compute.pages("/flavors/detail", "flavors", doing="list flavors", headers=_EXTRA_SPECS)

    async def _find(self, kind: str, name_or_id: str, params: Mapping[str, str]) -> dict[str, Any] | None:
        """Find by ID if it can be one, otherwise by name. Both use a list, so that the filters apply."""
        doing = f"find {kind} {name_or_id}"
        network = await self._service("network", doing)
        if looks_like_id(name_or_id):
            query = {**params, "id": name_or_id}
            by_id = await network.pages(f"/{kind}s", f"{kind}s", doing=doing, params=query)
            if by_id:
                return by_id[0]
        query = {**params, "name": name_or_id}
        by_name = await network.pages(f"/{kind}s", f"{kind}s", doing=doing, params=query)
        return only(by_name, kind=kind, name=name_or_id)

    async def _compute_quotas(self) -> dict[str, QuotaLine]:
        """With the no-op quota driver, Nova reports a usage of -1."""
        doing = "read Nova's limits"
        compute = await self._service("compute", doing)
        absolute = (await compute.get("/limits", doing=doing))["limits"]["absolute"]
        return {
            name: QuotaLine(name, int(absolute[limit]), max(0, int(absolute[used])))
            for name, (limit, used) in COMPUTE_QUOTAS.items()
            if limit in absolute and used in absolute
        }

    async def _network_quotas(self) -> dict[str, QuotaLine]:
        """Empty without Neutron's extension `quota_details`."""
        doing = "read Neutron's quotas"
        network = await self._service("network", doing)
        try:
            answer = await network.get(f"/quotas/{segment(self.project_id)}/details.json", doing=doing)
        except NotFound:
            return {}
        lines = answer["quota"]
        return {
            name: QuotaLine(
                name, int(lines[name]["limit"]), int(lines[name]["used"]) + int(lines[name].get("reserved", 0))
            )
            for name in NETWORK_QUOTAS
            if isinstance(lines.get(name), Mapping)
        }


def _flavor(item: Mapping[str, Any]) -> Flavor:
    return Flavor(
        id=item["id"],
        name=item["name"],
        vcpus=int(item["vcpus"]),
        ram=int(item["ram"]),
        disk=int(item["disk"]),
        extra_specs=item.get("extra_specs"),
    )


def _image(item: Mapping[str, Any]) -> Image:
    """Fields that are not in Glance's schema are properties, for example `os_distro`."""
    return Image(
        id=item["id"],
        name=item.get("name") or "",
        status=item["status"],
        properties={key: value for key, value in item.items() if key not in {"id", "name", "status"}},
    )


def _network(item: Mapping[str, Any]) -> Network:
    return Network(
        id=item["id"],
        name=item["name"],
        external=bool(item.get(EXTERNAL)),
        subnet_ids=tuple(item.get("subnets") or ()),
        # A cloud without the extension has security groups on all ports.
        port_security=item.get("port_security_enabled") is not False,
    )
