"""The one door to OpenStack: what the rest of Jeroboam may ask of a cloud.

Rule: every method is a coroutine, has a timeout of its own (settings), may be called again after a crash, and
raises only `shared.domain.errors`: `TemporaryError` for what may pass (429, 5xx, connection, timeout, a 409 that
says "in progress"), `PermanentError` for what will not (400, 403, quota), `NotFound` where a missing thing is news
to the caller. `find_*` returns None instead of raising. `delete_*` succeeds when the thing is already gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Cloud(Protocol):
    """One project's view of OpenStack, as one user. Made by `CloudFactory`."""

    project_id: str

    # Heat
    async def create_stack(
        self, name: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> Stack:
        """Create a stack; where one of that name exists already, return that one (a retried create finds its stack)."""
        ...

    async def find_stack(self, name_or_id: str) -> Stack | None:
        """The stack with its outputs resolved, or None."""
        ...

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        """All stacks of the project that carry `tag`, without outputs, deleted ones left out. One call (paged)."""
        ...

    async def update_stack(
        self, stack_id: str, template: Mapping[str, Any], *, tags: Sequence[str], timeout_minutes: int
    ) -> None: ...

    async def delete_stack(self, stack_id: str) -> None: ...

    async def stack_resources(self, stack_id: str) -> list[StackResource]: ...

    async def stack_template(self, stack_id: str) -> dict[str, Any]:
        """The template Heat holds of a stack: the one it was given last. Raises NotFound."""
        ...

    # Nova
    async def find_flavor(self, name_or_id: str) -> Flavor | None: ...

    async def find_keypair(self, name: str) -> Keypair | None: ...

    async def list_servers(self, *, cluster_id: str) -> list[Server]:
        """Servers whose metadata `jeroboam_cluster` is `cluster_id`."""
        ...

    # Glance, Neutron
    async def find_image(self, name_or_id: str) -> Image | None: ...

    async def find_network(self, name_or_id: str, *, external: bool | None = None) -> Network | None: ...

    async def list_external_networks(self) -> list[Network]: ...

    async def find_subnet(self, name_or_id: str) -> Subnet | None: ...

    async def quotas(self) -> dict[str, QuotaLine]:
        """Nova's `instances`, `cores`, `ram` (MiB), `server_groups`; Neutron's `port`, `network`, `subnet`, `router`,
        `floatingip`, `security_group`, `security_group_rule`. A resource the cloud does not report is left out."""
        ...

    async def has_service(self, service_type: str) -> bool:
        """Whether the catalogue lists a service, e.g. `load-balancer`."""
        ...

    async def inventory(self, *, cluster_id: str, server_ids: Sequence[str] = ()) -> list[InventoryItem]:
        """Everything left in the project that carries the cluster's mark: stacks by tag `jeroboam-cluster-<id>`;
        servers by metadata; ports, networks, subnets, routers, security groups, floating IPs, load balancers,
        server groups by name prefix `jeroboam-<id>`, by tag or by description holding the id; ports whose
        `device_id` is in `server_ids`."""
        ...

    async def delete_leftover(self, item: InventoryItem) -> None:
        """Remove one thing `inventory` found; kinds that cannot go yet raise TemporaryError."""
        ...

    # Keystone, as the user this cloud was made for
    async def ensure_application_credential(
        self, name: str, *, secret: str, roles: Sequence[str]
    ) -> ApplicationCredential:
        """Create a restricted application credential, or return the one of that name (then without its secret)."""
        ...

    async def delete_application_credential(self, name: str) -> None: ...


class CloudFactory(Protocol):
    """Makes `Cloud`s and validates tokens. One per process; holds the thread pool and the sessions."""

    def for_project(self, project_id: str) -> Cloud:
        """Acts as Jeroboam's own service user, scoped to the cluster's project."""
        ...

    def for_token(self, token: str, project_id: str) -> Cloud:
        """Acts with the caller's own token: what depends on who asks (images, keypairs, quota)."""
        ...

    async def validate_token(self, token: str) -> Identity | None:
        """Who the token speaks for; None when Keystone says it is invalid or expired. Cached (see settings)."""
        ...

    async def project_exists(self, project_id: str) -> bool: ...

    async def check(self) -> None:
        """Readiness: obtain our own service token. Raises TemporaryError or PermanentError."""
        ...

    async def close(self) -> None: ...
