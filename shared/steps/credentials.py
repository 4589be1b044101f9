"""The application credential of a cluster's add-ons: what is stored, and how it is created in Keystone.

Rule: a secret is generated and stored before it is sent to Keystone, so a crash in between loses nothing. The stored
JSON has `name`, `secret` and `id` of the credential in use; `next` (name, secret) while another one is being created;
`old`, the names of those to be deleted.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from shared.cloud.names import credential
from shared.db.models import ClusterSecret
from shared.operations.plan import OperationView
from shared.pki.cluster_secrets import CLOUD_CREDENTIAL, load_cluster_secret, seal_secret
from shared.steps.context import StepContext

Stored = dict[str, Any]


async def read_credential(context: StepContext, operation: OperationView) -> Stored:
    """The stored JSON; empty if there is none."""
    async with context.database.transaction() as session:
        found = await load_cluster_secret(session, context.sealer, operation.cluster_id, CLOUD_CREDENTIAL)
    stored: Stored = json.loads(found.secret) if found else {}
    return stored


async def store_credential(context: StepContext, operation: OperationView, stored: Stored) -> None:
    """Replace the stored JSON."""
    sealed = seal_secret(context.sealer, operation.cluster_id, CLOUD_CREDENTIAL, json.dumps(stored))
    statement = insert(ClusterSecret).values(cluster_id=operation.cluster_id, kind=CLOUD_CREDENTIAL, secret=sealed)
    async with context.database.transaction() as session:
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["cluster_id", "kind"], set_={"secret": statement.excluded.secret}
            )
        )


async def make_credential(context: StepContext, operation: OperationView, name: str) -> None:
    """The cluster uses a credential of that name; a previous one is marked for deletion."""
    state = await context.cluster(operation)
    roles = state.engine.credential_roles(state.spec)
    stored = await read_credential(context, operation)
    if not roles or ("id" in stored and stored["name"] == name):
        return
    coming = stored.get("next")
    if coming is None or coming["name"] != name:
        coming = {"name": name, "secret": secrets.token_urlsafe(32)}
        stored = {**stored, "next": coming, "old": names(stored)}
        await store_credential(context, operation, stored)
    made = await context.cloud(operation).ensure_application_credential(name, secret=coming["secret"], roles=roles)
    in_use = {"name": name, "secret": coming["secret"], "id": made.id, "old": stored.get("old", [])}
    await store_credential(context, operation, in_use)


def names(stored: Stored) -> list[str]:
    """Every name under which Keystone may have a credential of what is stored."""
    found = {*stored.get("old", []), stored.get("name"), (stored.get("next") or {}).get("name")}
    return sorted(name for name in found if name)


async def delete_credentials(context: StepContext, operation: OperationView, gone: list[str]) -> None:
    """Delete these credentials from Keystone, where they exist."""
    for name in gone:
        await context.cloud(operation).delete_application_credential(name)


def first_name(operation: OperationView) -> str:
    """The name of the first credential of a cluster."""
    return credential(operation.cluster_id)
