"""The implementation of `Cloud` and `CloudFactory` with openstacksdk.

Rule: this module defines only identities and retries. The calls are in one module per service (`heat`, `nova`,
`neutron`, `credentials`, `leftovers`), as synchronous functions of a connection; `lookups` has the asynchronous queries
of the API. The service user has a token for the cluster's project; if it has no role there yet, roles are assigned and
the call is retried once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from keystoneauth1.access import AccessInfoV3
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from shared.cloud import credentials, heat, leftovers, nova
from shared.cloud.async_rest import Services
from shared.cloud.calls import Calls
from shared.cloud.errors import Forbidden, Unauthorized
from shared.cloud.flights import Flights
from shared.cloud.keystone import Keystone
from shared.cloud.lookups import Access, Lookups
from shared.cloud.sessions import Sessions, access_of, require_roles
from shared.cloud.settings import CloudSettings
from shared.cloud.token_validator import TokenValidator
from shared.cloud.types import (
    ApplicationCredential,
    Identity,
    InventoryItem,
    Server,
    Stack,
    StackResource,
)
from shared.domain.errors import PermanentError, TemporaryError

if TYPE_CHECKING:
    from openstack.connection import Connection

T = TypeVar("T")
READ_ATTEMPTS = 5
READ_SECONDS = 20.0  # no attempt begins later
Run = Callable[[str, Callable[["Connection"], Any]], Awaitable[Any]]


class OpenStackCloud(Lookups):
    """`Cloud`; the factory's two functions differ in the token that they use.

    Args:
        run: runs a call of the SDK in a thread.
        access: the token and catalogue for asynchronous queries.
    """

    def __init__(self, project_id: str, run: Run, services: Services, access: Access) -> None:
        super().__init__(project_id, services, access)
        self._run = run

    async def _call(self, doing: str, function: Callable[[Connection], T]) -> T:
        result: T = await self._run(doing, function)
        return result

    async def _read(self, doing: str, function: Callable[[Connection], T]) -> T:
        """A call that changes nothing, repeated by itself: of many lists that are needed at once, some one fails."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TemporaryError),
            stop=stop_after_attempt(READ_ATTEMPTS) | stop_after_delay(READ_SECONDS),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        ):
            with attempt:
                return await self._call(doing, function)
        raise AssertionError("the last attempt returns or raises")

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

    async def list_servers(self, *, cluster_id: str) -> list[Server]:
        return await self._call(f"list servers of cluster {cluster_id}", lambda c: nova.list_servers(c, cluster_id))

    async def list_marked_servers(self, *, ids: Collection[str] = ()) -> list[Server]:
        known = frozenset(ids)
        return await self._call("list servers", lambda c: nova.list_marked_servers(c, known))

    async def find_server(self, server_id: str) -> Server | None:
        return await self._call(f"show server {server_id}", lambda c: nova.find_server(c, server_id))

    async def find_node_server(self, name: str, *, node_id: str) -> Server | None:
        return await self._call(f"find server {name}", lambda c: nova.find_node_server(c, name, node_id))

    async def console_output(self, server_id: str, *, lines: int) -> str:
        return await self._call(
            f"read console of server {server_id}", lambda c: nova.console_output(c, server_id, lines)
        )

    async def inventory(self, *, cluster_id: str, server_ids: Sequence[str] = ()) -> list[InventoryItem]:
        return await self._marked(leftovers.mark(cluster_id, server_ids), f"of cluster {cluster_id}")

    async def owned_items(self) -> list[InventoryItem]:
        return await self._marked(leftovers.EveryMark(), "that is marked")

    async def _marked(self, mark: leftovers.Mark, which: str) -> list[InventoryItem]:
        found = await asyncio.gather(
            *(
                self._read(f"list each {name} {which}", self._lister(kind, mark))
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
        self._services = Services(settings)
        self._keystone = Keystone(settings)
        self._validator = TokenValidator(
            self._keystone.validate,
            ttl=settings.token_cache_seconds,
            negative_ttl=settings.negative_cache_seconds,
            size=settings.token_cache_size,
            timeout=settings.token_timeout,
            concurrency=settings.token_concurrency,
            queue=settings.token_queue,
        )
        self._assigned: dict[str, int] = {}  # project -> how often roles were assigned there
        self._assigning: Flights[str, None] = Flights()

    def for_project(self, project_id: str) -> OpenStackCloud:
        async def run(doing: str, function: Callable[[Connection], T]) -> T:
            def once() -> T:
                # Before the connection: one from before the assignment may have a token with some of the roles.
                unsure = self._settings.assign_role and project_id not in self._assigned
                connection = self._sessions.for_project(project_id)
                if unsure:
                    require_roles(connection, self._settings.service_roles, doing)
                return function(connection)

            assigned = self._assigned.get(project_id, 0)
            try:
                return await self._calls.run(doing, once)
            except (Unauthorized, Forbidden) as error:
                await self._gain_roles(project_id, error, assigned)
                return await self._calls.run(doing, once)

        async def access(doing: str) -> AccessInfoV3:
            found: AccessInfoV3 = await run(doing, access_of)
            return found

        return OpenStackCloud(project_id, run, self._services, access)

    def for_token(self, token: str, project_id: str) -> OpenStackCloud:
        async def body(doing: str) -> Mapping[str, Any]:
            answer = await self._validator.answer(token)
            if answer is None:
                raise Unauthorized(f"{doing}: the token is no longer valid")
            if answer.identity.project_id != project_id:
                raise PermanentError(f"{doing}: the token does not belong to project {project_id}")
            return answer.body

        async def run(doing: str, function: Callable[[Connection], T]) -> T:
            validated = await body(doing)
            return await self._calls.run(doing, lambda: function(self._sessions.for_answer(token, validated)))

        async def access(doing: str) -> AccessInfoV3:
            return AccessInfoV3(body=dict(await body(doing)), auth_token=token)

        return OpenStackCloud(project_id, run, self._services, access)

    def knows_token(self, token: str) -> bool:
        return self._validator.knows(token)

    async def validate_token(self, token: str) -> Identity | None:
        answer = await self._validator.answer(token)
        return None if answer is None else answer.identity

    async def project_exists(self, project_id: str) -> bool:
        return await self._keystone.project_exists(project_id)

    async def check(self) -> None:
        await self._keystone.login()

    async def close(self) -> None:
        await self._validator.close()
        await self._assigning.close()
        await self._calls.close()
        self._sessions.close()
        await self._services.close()
        await self._keystone.close()

    async def _gain_roles(self, project_id: str, refusal: PermanentError, assigned: int) -> None:
        """Assign roles so that a rejected call can be retried, or raise.

        Args:
            assigned: how often they had been assigned when the call began. A call that began before an assignment of
                another one may have had none of the roles, or some.

        Raises:
            PermanentError: `refusal`, if a missing role is not the cause, or the project does not exist.
            TemporaryError: Keystone is not available.
        """
        if not self._settings.assign_role:
            raise refusal
        if self._assigned.get(project_id, 0) != assigned:
            return
        # A 403 despite assigned roles is a policy or a quota of Nova; assigning them again would not help.
        if assigned and isinstance(refusal, Forbidden):
            raise refusal
        flight = self._assigning.get(project_id)
        await (flight or self._assigning.start(project_id, lambda: self._assign_roles(project_id))).answer()

    async def _assign_roles(self, project_id: str) -> None:
        await self._keystone.assign_roles(project_id)
        self._sessions.forget(project_id)
        self._assigned[project_id] = self._assigned.get(project_id, 0) + 1


def _has_service(connection: Connection, service_type: str) -> bool:
    return any(entry["type"] == service_type for entry in access_of(connection).service_catalog.catalog)
