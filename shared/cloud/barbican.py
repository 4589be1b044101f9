"""Reads certificate containers from Barbican, as the service user in its own project, where Magnum stores them.

Rule: only the ID of a reference is used; the endpoint comes from the catalogue, regardless of the host in a reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.cloud import rest
from shared.cloud.calls import Calls
from shared.cloud.sessions import Sessions
from shared.cloud.settings import CloudSettings

if TYPE_CHECKING:
    from openstack.proxy import Proxy


class Barbican:
    """A client for the duration of an import.

    Args:
        settings: `project_name` is the project that owns the containers.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self._calls = Calls(threads=1, timeout=settings.call_timeout)
        self._sessions = Sessions(settings)

    async def payloads(self, reference: str) -> Mapping[str, str]:
        """Return the secrets of a container, by their names in it, e.g. `certificate` and `private_key`.

        Raises:
            JeroboamError: the container does not exist or cannot be read, or Barbican is not available.
        """
        return await self._calls.run(
            f"read container {_id(reference)}",
            lambda: container_payloads(self._sessions.for_service().key_manager, reference),
        )

    async def close(self) -> None:
        await self._calls.close()
        self._sessions.close()


def container_payloads(manager: Proxy, reference: str) -> Mapping[str, str]:
    """See `Barbican.payloads`."""
    doing = f"read container {_id(reference)}"
    found = rest.call(manager, "GET", f"/containers/{rest.segment(_id(reference))}", doing=doing)
    payloads = {}
    for secret in found["secret_refs"]:
        path = f"/secrets/{rest.segment(_id(secret['secret_ref']))}/payload"
        payloads[secret["name"]] = rest.send(
            manager, "GET", path, doing=f"{doing}: {secret['name']}", headers={"Accept": "text/plain"}
        ).text
    return payloads


def _id(reference: str) -> str:
    return reference.rstrip("/").rpartition("/")[2]
