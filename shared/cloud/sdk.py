"""The implementation of `Cloud` and `CloudFactory` with openstacksdk.

Rule: this module defines only identities and retries. The calls are in one module per service (`heat`, `nova`,
`neutron`, `glance`, `credentials`, `leftovers`), as synchronous functions of a connection. The service user has a token
for the cluster's project; if it has no role there yet, roles are assigned and the call is retried once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from keystoneauth1.identity.base import BaseIdentityPlugin
from openstack.connection import Connection

from shared.cloud import credentials, glance, heat, leftovers, neutron, nova
from shared.cloud.calls import Calls
from shared.cloud.errors import Forbidden, Unauthorized
from shared.cloud.keystone import Keystone
from shared.cloud.sessions import Sessions
from shared.cloud.settings import CloudSettings
from shared.cloud.token_validator import TokenValidator
from shared.cloud.types import (
    ApplicationCredential,
    Flavor,
    Identity,
    Image,
    InventoryItem,
    Keypair,
    Network,
    QuotaLine,
    Server,
    Stack,
    StackResource,
    Subnet,
)
from shared.domain.errors import PermanentError

T = TypeVar("T")
Run = Callable[[str, Callable[[Connection], Any]], Awaitable[Any]]


class OpenStackCloud:
    """`Cloud` with a function that runs a call; the factory's two functions differ in the token that they use."""

    def __init__(self, project_id: str, run: Run) -> None:
        self.project_id = project_id
        self._run = run

    async def _call(self, doing: str, function: Callable[[Connection], T]) -> T:
        result: T = await self._run(doing, function)
        return result

    async def create_stack(
        self, name: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> Stack:
        return await self._call(
            f"create stack {name}", lambda c: heat.create_stack(c, name, template, tags, timeout_minutes)
        )

    async def find_stack(self, name_or_id: str) -> Stack | None:
        return await self._call(f"show stack {name_or_id}", lambda c: heat.find_stack(c, name_or_id))

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        return await self._call(f"list stacks tagged {tag}", lambda c: heat.list_stacks(c, tag))

    async def update_stack(
        self, stack_id: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> None:
        await self._call(
            f"update stack {stack_id}",
            lambda c: heat.update_stack(c, stack_id, template, tags, timeout_minutes),
        )

    async def delete_stack(self, stack_id: str) -> None:
        await self._call(f"delete stack {stack_id}", lambda c: heat.delete_stack(c, stack_id))

    async def stack_resources(self, stack_id: str) -> list[StackResource]:
        return await self._call(f"list resources of stack {stack_id}", lambda c: heat.stack_resources(c, stack_id))

    async def stack_template(self, stack_id: str) -> dict[str, Any]:
        return await self._call(f"read template of stack {stack_id}", lambda c: heat.stack_template(c, stack_id))

    async def find_flavor(self, name_or_id: str) -> Flavor | None:
        return await self._call(f"find flavor {name_or_id}", lambda c: nova.find_flavor(c, name_or_id))

    async def find_keypair(self, name: str) -> Keypair | None:
        return await self._call(f"find keypair {name}", lambda c: nova.find_keypair(c, name))

    async def list_servers(self, *, cluster_id: str) -> list[Server]:
        return await self._call(f"list servers of cluster {cluster_id}", lambda c: nova.list_servers(c, cluster_id))

    async def find_image(self, name_or_id: str) -> Image | None:
        return await self._call(f"find image {name_or_id}", lambda c: glance.find_image(c, name_or_id))

    async def find_network(self, name_or_id: str, *, external: bool | None = None) -> Network | None:
        return await self._call(f"find network {name_or_id}", lambda c: neutron.find_network(c, name_or_id, external))

    async def list_external_networks(self) -> list[Network]:
        return await self._call("list external networks", neutron.list_external_networks)

    async def find_subnet(self, name_or_id: str) -> Subnet | None:
        return await self._call(f"find subnet {name_or_id}", lambda c: neutron.find_subnet(c, name_or_id))

    async def quotas(self) -> dict[str, QuotaLine]:
        compute, network = await asyncio.gather(
            self._call("read Nova's limits", nova.quotas),
            self._call("read Neutron's quotas", lambda c: neutron.quotas(c, self.project_id)),
        )
        return {**compute, **network}

    async def has_service(self, service_type: str) -> bool:
        return await self._call("read the service catalogue", lambda c: _has_service(c, service_type))

    async def inventory(self, *, cluster_id: str, server_ids: Sequence[str] = ()) -> list[InventoryItem]:
        mark = leftovers.mark(cluster_id, server_ids)
        found = await asyncio.gather(
            *(
                self._call(f"list each {name} of cluster {cluster_id}", self._lister(kind, mark))
                for name, kind in leftovers.KINDS.items()
            )
        )
        return [item for items in found for item in items]

    def _lister(self, kind: leftovers.Kind, mark: leftovers.Mark) -> Callable[[Connection], list[InventoryItem]]:
        def lister(connection: Connection) -> list[InventoryItem]:
            if kind.service is not None and not _has_service(connection, kind.service):
                return []
            return list(kind.list(connection, mark, self.project_id))

        return lister

    async def delete_leftover(self, item: InventoryItem) -> None:
        await self._call(f"delete {item.kind} {item.id}", lambda c: leftovers.delete(c, item))

    async def ensure_application_credential(
        self, name: str, *, secret: str, roles: Sequence[str]
    ) -> ApplicationCredential:
        return await self._call(
            f"create application credential {name}", lambda c: credentials.ensure(c, name, secret, roles)
        )

    async def delete_application_credential(self, name: str) -> None:
        await self._call(f"delete application credential {name}", lambda c: credentials.delete(c, name))


class OpenStackCloudFactory:
    """`CloudFactory` for OpenStack or a simulation of it. The constructor needs no running event loop."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._calls = Calls(threads=settings.threads, timeout=settings.call_timeout)
        self._sessions = Sessions(settings)
        self._keystone = Keystone(settings)
        self._validator = TokenValidator(
            self._keystone.validate,
            ttl=settings.token_cache_seconds,
            negative_ttl=settings.negative_cache_seconds,
            size=settings.token_cache_size,
        )
        self._assigned: set[str] = set()

    def for_project(self, project_id: str) -> OpenStackCloud:
        async def run(doing: str, function: Callable[[Connection], T]) -> T:
            def once() -> T:
                return function(self._sessions.for_project(project_id))

            try:
                return await self._calls.run(doing, once)
            except (Unauthorized, Forbidden) as error:
                await self._gain_roles(project_id, error)
                return await self._calls.run(doing, once)

        return OpenStackCloud(project_id, run)

    def for_token(self, token: str, project_id: str) -> OpenStackCloud:
        async def run(doing: str, function: Callable[[Connection], T]) -> T:
            answer = await self._validator.answer(token)
            if answer is None:
                raise Unauthorized(f"{doing}: the token is no longer valid")
            if answer.identity.project_id != project_id:
                raise PermanentError(f"{doing}: the token does not belong to project {project_id}")
            body = answer.body
            return await self._calls.run(doing, lambda: function(self._sessions.for_answer(token, body)))

        return OpenStackCloud(project_id, run)

    async def validate_token(self, token: str) -> Identity | None:
        answer = await self._validator.answer(token)
        return None if answer is None else answer.identity

    async def project_exists(self, project_id: str) -> bool:
        return await self._keystone.project_exists(project_id)

    async def check(self) -> None:
        await self._keystone.login()

    async def close(self) -> None:
        await self._validator.close()
        await self._calls.close()
        self._sessions.close()
        await self._keystone.close()

    async def _gain_roles(self, project_id: str, refusal: PermanentError) -> None:
        """Assign roles so that a rejected call can be retried, or raise.

        Raises:
            PermanentError: `refusal`, if a missing role is not the cause, or the project does not exist.
            TemporaryError: Keystone is not available.
        """
        if not self._settings.assign_role:
            raise refusal
        # A 403 despite assigned roles is a policy or a quota of Nova; assigning them again would not help.
        if project_id in self._assigned and isinstance(refusal, Forbidden):
            raise refusal
        await self._keystone.assign_roles(project_id)
        self._assigned.add(project_id)
        self._sessions.forget(project_id)


def _has_service(connection: Connection, service_type: str) -> bool:
    auth = connection.session.auth
    assert isinstance(auth, BaseIdentityPlugin)
    catalog = auth.get_access(connection.session).service_catalog.catalog
    return any(entry["type"] == service_type for entry in catalog)
