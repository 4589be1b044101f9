"""How a node proves its identity.

Rule: a node uses the one-time token of its user data once, and its own credential ever after; it can access nothing but
its own node. A lost response does not strand a node: the exchange may be repeated until the credential has been used.
A token is accepted from the node's own machine only (`proof`). A used token that the machine offers again is a hint
that it was rebuilt: Nova is asked, and the token stays invalid until it confirms that.
"""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.deps import Deps
from services.api.nodes.proof import Offer, prove
from services.api.reader import Row
from services.api.wire.errors import ApiError
from services.api.wire.identifiers import as_uuid
from shared.cloud.types import Server
from shared.db.models import Node
from shared.domain.errors import Conflict
from shared.domain.states import NodeState
from shared.operations.attention import ask_for_look
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import hash_token, load_token_seeds
from shared.operations.readmission import begin_readmission

_RETRY_READMISSION = 30  # seconds
_KNOWN = """
SELECT n.uuid, n.name, n.cluster_id, n.token_hash, n.loss, n.ip_address, n.floating_ip, n.created_at,
    c.project_id
FROM nodes n JOIN clusters c ON c.uuid = n.cluster_id WHERE n.uuid = $1
"""


def _is(token: str, stored_hash: str | None) -> bool:
    """Whether a token is the one whose hash is stored; takes the same time either way."""
    return stored_hash is not None and hmac.compare_digest(hash_token(token), stored_hash)


def _unauthorized() -> ApiError:
    return ApiError(401, "The node's token or credential is not valid.", headers={"WWW-Authenticate": "Bearer"})


async def exchange_token(deps: Deps, node_id: str, offer: Offer) -> str:
    """Exchange a node's one-time token for its own credential.

    Raises:
        ApiError: 401 when the token is not this node's, or was used up; 403 when it was not the node's machine that
            offered it; 425 while that cannot be decided, or a rebuilt machine cannot join again.
    """
    uuid = as_uuid(node_id)
    known = None
    if uuid is not None:
        known = await deps.reader.row(_KNOWN, uuid)
    if uuid is None or known is None:
        raise _unauthorized()
    token = offer.token
    if not _is(token, known["token_hash"]) and not await _was_its(deps, known, token):
        raise _unauthorized()
    server = await prove(deps, known, offer)
    async with deps.db.transaction() as session:
        if known["loss"] is not None:
            await lock_cluster(session, known["cluster_id"])
        node = await session.get(Node, uuid, with_for_update=True)
        if node is not None and node.state != NodeState.REMOVING and _is(token, node.token_hash):
            if node.loss is not None:
                await _readmit(session, node)
            _set_addresses(node, server)
            credential = secrets.token_urlsafe(32)
            node.credential_hash = hash_token(credential)
            return credential
    async with deps.db.transaction() as session:
        await ask_for_look(session, known["cluster_id"])
    raise _unauthorized()


def _set_addresses(node: Node, server: Server | None) -> None:
    """Store the addresses that Nova has, if Heat has not reported them yet."""
    if server is not None and node.ip_address is None:
        fixed = [address for address in server.addresses if address not in server.floating_ips]
        node.ip_address = fixed[0] if fixed else None
        node.floating_ip = node.floating_ip or next(iter(server.floating_ips), None)


async def _readmit(session: AsyncSession, node: Node) -> None:
    try:
        await begin_readmission(session, node)
    except Conflict as error:
        raise ApiError(425, str(error), headers={"Retry-After": str(_RETRY_READMISSION)}) from None


async def _was_its(deps: Deps, known: Row, token: str) -> bool:
    """Whether the token was this node's once."""
    async with deps.db.transaction() as session:
        seeds = await load_token_seeds(session, deps.sealer, known["cluster_id"])
    return seeds is not None and _is(token, hash_token(seeds.token(str(known["uuid"]), known["created_at"])))


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
