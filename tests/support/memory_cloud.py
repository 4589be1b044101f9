"""A cloud that answers from memory, for tests of the API in which speed matters more than the wire."""

from __future__ import annotations

from shared.cloud.types import Flavor, Identity, Image, Keypair, Network, QuotaLine, Server, Subnet


def _person(user: str, project: str, *roles: str) -> Identity:
    return Identity(user, user, project, project, "default", roles, "2099-01-01T00:00:00Z")


PEOPLE = {
    "user": _person("u1", "p1", "member", "reader"),
    "admin": _person("u2", "p2", "admin", "member", "reader"),
    "reader": _person("u3", "p1", "reader"),
    "stranger": _person("u4", "p4", "member", "reader"),
    "service": _person("u5", "p5", "service"),
}


class MemoryCloud:
    """Has one of everything; any other name is not there."""

    project_id = "p1"

    async def find_flavor(self, name: str) -> Flavor | None:
        return Flavor("f1", "small", 2, 2048, 20) if name in ("f1", "small") else None

    async def find_image(self, name: str) -> Image | None:
        return Image("i1", "ubuntu", "active", {"os_distro": "ubuntu"}) if name in ("i1", "ubuntu") else None

    async def find_keypair(self, name: str) -> Keypair | None:
        return Keypair("key", "ssh-rsa AAAA") if name == "key" else None

    async def find_network(self, name: str, *, external: bool | None = None) -> Network | None:
        return Network("n1", "public", bool(external), ("s1",)) if name in ("n1", "public") else None

    async def list_external_networks(self) -> list[Network]:
        return [Network("n1", "public", True)]

    async def find_subnet(self, name: str) -> Subnet | None:
        return Subnet("s1", "sub", "n1", "10.0.0.0/24") if name in ("s1", "sub") else None

    async def quotas(self) -> dict[str, QuotaLine]:
        return {"instances": QuotaLine("instances", 100_000, 0)}

    async def find_node_server(self, name: str, *, node_id: str) -> Server | None:
        return Server("srv", name, "ACTIVE", addresses=("127.0.0.1",))

    async def has_service(self, _service_type: str) -> bool:
        return True


class MemoryClouds:
    """The names in PEOPLE are valid tokens."""

    def knows_token(self, token: str) -> bool:
        return token in PEOPLE

    async def validate_token(self, token: str) -> Identity | None:
        return PEOPLE.get(token)

    def for_token(self, _token: str, _project_id: str) -> MemoryCloud:
        return MemoryCloud()

    def for_project(self, _project_id: str) -> MemoryCloud:
        return MemoryCloud()

    async def project_exists(self, project_id: str) -> bool:
        return project_id.startswith("p")

    async def check(self) -> None:
        return None
