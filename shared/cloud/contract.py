"""The interface to OpenStack: everything that the rest of Jeroboam uses of a cloud.

Rule: every method is a coroutine, has a timeout (settings), is idempotent, and raises only `shared.domain.errors`:
`TemporaryError` for errors that a retry may solve (429, 5xx, connection, timeout, a 409 for an operation in progress),
`PermanentError` for others (400, 403, quota), `NotFound` if a resource that should exist is missing. `find_*` returns
None instead of raising. `delete_*` succeeds if the resource no longer exists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

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


class Lookups(Protocol):
    """Queries of resources that a request names. Asynchronous HTTP without threads; fast enough for every request."""

    project_id: str

    async def find_flavor(self, name_or_id: str) -> Flavor | None: ...

    async def find_keypair(self, name: str) -> Keypair | None: ...

    async def find_image(self, name_or_id: str) -> Image | None: ...

    async def find_network(self, name_or_id: str, *, external: bool | None = None) -> Network | None: ...

    async def list_external_networks(self) -> list[Network]: ...

    async def find_subnet(self, name_or_id: str) -> Subnet | None: ...

    async def quotas(self) -> dict[str, QuotaLine]:
        """Nova's `instances`, `cores`, `ram` (MiB), `server_groups`; Neutron's `port`, `network`, `subnet`, `router`,
        `floatingip`, `security_group`, `security_group_rule`. Resources that the cloud does not report are omitted."""
        ...

    async def has_service(self, service_type: str) -> bool:
        """Whether the catalogue lists a service, e.g. `load-balancer`."""
        ...


class Cloud(Lookups, Protocol):
    """Access to OpenStack as one user in one project. Created by `CloudFactory`."""

    # Heat
    async def create_stack(
        self, name: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> Stack:
        """Create a stack. Returns the existing stack if there is one of that name, so that a create can be retried."""
        ...

    async def find_stack(self, name_or_id: str) -> Stack | None:
        """The stack with its outputs resolved, or None."""
        ...

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        """All stacks of the project with `tag`, without outputs, except deleted ones. One (paged) call."""
        ...

    async def update_stack(
        self, stack_id: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> None: ...

    async def delete_stack(self, stack_id: str) -> None: ...

    async def stack_resources(self, stack_id: str) -> list[StackResource]: ...

    async def stack_template(self, stack_id: str) -> dict[str, Any]:
        """The current template of a stack. Raises NotFound."""
        ...

    # Nova
    async def list_servers(self, *, cluster_id: str) -> list[Server]:
        """Servers whose metadata `jeroboam_cluster` is `cluster_id`."""
        ...

    async def list_marked_servers(self, *, ids: Collection[str] = ()) -> list[Server]:
        """All servers of the project that have the metadata `jeroboam_cluster` or are in `ids`. One (paged) call."""
        ...

    async def find_server(self, server_id: str) -> Server | None:
        """A server, with its fault."""
        ...

    async def find_node_server(self, name: str, *, node_id: str) -> Server | None:
        """The server of that name whose metadata `jeroboam_node` is `node_id`, or None while there is none."""
        ...

    async def console_output(self, server_id: str, *, lines: int) -> str:
        """The last lines that a server's console has shown. Raises PermanentError if the cloud has no such console."""
        ...

    async def inventory(self, *, cluster_id: str, server_ids: Sequence[str] = ()) -> list[InventoryItem]:
        """All resources of the cluster in the project: stacks by tag `jeroboam-cluster-<id>`;
        servers by metadata; ports, networks, subnets, routers, security groups, floating IPs, load balancers,
        server groups by name prefix `jeroboam-<id>`, by tag or by a description that contains the ID; ports whose
        `device_id` is in `server_ids`."""
        ...

    async def owned_items(self) -> list[InventoryItem]:
        """All resources of the project that carry the mark of a cluster, whichever it is, with the cluster's ID.

        Unlike `inventory` it does not look into descriptions, in which anybody may write an ID.
        """
        ...

    async def delete_leftover(self, item: InventoryItem) -> None:
        """Delete a resource found by `inventory`. Raises TemporaryError while it is in use."""
        ...

    # Keystone, as the user of this instance
    async def ensure_application_credential(
        self, name: str, *, secret: str, roles: Sequence[str]
    ) -> ApplicationCredential:
        """Create a restricted application credential, or return the existing one of that name, without its secret."""
        ...

    async def delete_application_credential(self, name: str) -> None: ...


class CloudFactory(Protocol):
    """Creates `Cloud`s and validates tokens. One instance per process; contains the thread pool and the sessions."""

    def for_project(self, project_id: str) -> Cloud:
        """A cloud that uses Jeroboam's service user, scoped to the cluster's project."""
        ...

    def for_token(self, token: str, project_id: str) -> Cloud:
        """A cloud that uses the caller's token, for resources that depend on the user (images, keypairs, quotas)."""
        ...

    def knows_token(self, token: str) -> bool:
        """Whether the answer for a token is cached, so that `validate_token` does not ask Keystone."""
        ...

    async def validate_token(self, token: str) -> Identity | None:
        """The identity of a token; None if Keystone rejects it as invalid or expired. Cached (see settings)."""
        ...

    async def project_exists(self, project_id: str) -> bool: ...

    async def check(self) -> None:
        """Readiness check: obtain a service token. Raises TemporaryError or PermanentError."""
        ...

    async def close(self) -> None: ...
