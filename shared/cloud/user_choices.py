"""What a user's project has for new cluster templates: images, flavors and external networks, by openstacksdk."""

from __future__ import annotations

from dataclasses import dataclass

import openstack
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk

from shared.domain.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Choice:
    """An image or a network."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class FlavorChoice:
    """`ram` in MiB, `disk` in GiB."""

    name: str
    vcpus: int
    ram: int
    disk: int


class UserChoices:
    """Args: cloud, region: as for `UserSession`. Raises PermanentError in all methods, with the cloud's reason."""

    def __init__(self, cloud: str | None = None, region: str | None = None) -> None:
        try:
            self._connection = openstack.connect(cloud=cloud, region_name=region)
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(f"no cloud is configured: {error}") from error

    def images(self, distro: str) -> list[Choice]:
        """The active images of an operating system, by name."""
        try:
            found = list(self._connection.image.images(status="active"))
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(f"the images cannot be listed: {error}") from error
        return sorted(
            (Choice(image.id, image.name or "") for image in found if image.os_distro == distro),
            key=lambda choice: choice.name,
        )

    def external_networks(self) -> list[Choice]:
        """The networks that have floating IPs, by name."""
        try:
            found = list(self._connection.network.networks(is_router_external=True))
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(f"the external networks cannot be listed: {error}") from error
        return sorted((Choice(each.id, each.name or "") for each in found), key=lambda choice: choice.name)

    def flavors(self) -> list[FlavorChoice]:
        """The flavors, the smallest first."""
        try:
            found = list(self._connection.compute.flavors())
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(f"the flavors cannot be listed: {error}") from error
        flavors = [FlavorChoice(each.name, each.vcpus, each.ram, each.disk or 0) for each in found]
        return sorted(flavors, key=lambda flavor: (flavor.ram, flavor.vcpus, flavor.disk, flavor.name))
