"""How a node proves its identity.

Rule: a node uses the one-time token of its user data once, and its own credential ever after; it can access nothing but
its own node. A lost response does not strand a node: the exchange may be repeated until the credential has been used.
"""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import update

from services.api.deps import Deps
from services.api.wire.errors import ApiError
from services.api.wire.identifiers import as_uuid
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.operations.node_tokens import hash_token


def _is(token: str, stored_hash: str | None) -> bool:
    """Whether a token is the one whose hash is stored; takes the same time either way."""
    return stored_hash is not None and hmac.compare_digest(hash_token(token), stored_hash)


def _unauthorized() -> ApiError:
    return ApiError(401, "The node's token or credential is not valid.", headers={"WWW-Authenticate": "Bearer"})


async def exchange_token(deps: Deps, node_id: str, token: str) -> str:
    """Exchange a node's one-time token for its own credential.

    Raises:
        ApiError: 401 when the token is not this node's, or was used up.
    """
    async with deps.db.transaction() as session:
        node = await session.get(Node, as_uuid(node_id), with_for_update=True) if as_uuid(node_id) else None
        if node is None or node.state == NodeState.REMOVING or not _is(token, node.token_hash):
            raise _unauthorized()
        credential = secrets.token_urlsafe(32)
        node.credential_hash = hash_token(credential)
    return credential


async def authenticate(deps: Deps, node_id: str, credential: str) -> str:
    """Check a node's credential and return its uuid.

    The first use ends the one-time token.

    Raises:
        ApiError: 401.
    """
    uuid = as_uuid(node_id)
    row = None
    if uuid is not None:
        row = await deps.reader.row("SELECT token_hash, credential_hash FROM nodes WHERE uuid = $1", uuid)
    if uuid is None or row is None or not _is(credential, row["credential_hash"]):
        raise _unauthorized()
    if row["token_hash"] is not None:
        async with deps.db.transaction() as session:
            await session.execute(
                update(Node)
                .where(Node.uuid == uuid, Node.credential_hash == row["credential_hash"])
                .values(token_hash=None)
            )
    return uuid
