"""How a machine proves that the one-time token it offers is its own.

Rule: user data is not a secret. Readers of the project see it in Heat, and every process of a node in the metadata
service. A token is accepted from an address that Neutron gave the machine, or together with a secret whose SHA-256 is
on the machine's console, to which nothing else can write. Anything else is refused, and the project is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog

from services.api.deps import Deps
from services.api.reader import Row
from services.api.wire.errors import ApiError
from shared.cloud.types import Server
from shared.db.models import Node
from shared.domain.errors import JeroboamError, PermanentError
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import hash_token
from shared.operations.reports import emit_node

log = structlog.get_logger(__name__)
CONSOLE_LINES = 300
_RETRY = 5  # seconds
_PROOF = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a caller offers.

    Args:
        token: the one-time token.
        source: the caller's address.
        proof: 64 hexadecimal digits that the machine chose, or anything else for none.
    """

    token: str
    source: str
    proof: str = ""


async def prove(deps: Deps, node: Row, offer: Offer) -> Server | None:
    """Check that an offer comes from a node's machine.

    Args:
        node: `uuid`, `name`, `cluster_id`, `project_id`, `ip_address` and `floating_ip` of the node.
        offer: with a token of the node.

    Returns:
        The machine as Nova has it, or None if Nova was not asked.

    Raises:
        ApiError: 403 if it does not, 425 while that cannot be decided.
    """
    proofs = deps.settings.node_proofs
    if not proofs or ("address" in proofs and offer.source in (node["ip_address"], node["floating_ip"])):
        return None
    cloud = deps.clouds.for_project(node["project_id"])
    try:
        server = await cloud.find_node_server(node["name"], node_id=node["uuid"])
        if server is None:
            raise _not_yet(f"Nova has no server {node['name']} yet")
        if "address" in proofs and offer.source in server.addresses:
            return server
        if "console" in proofs and _PROOF.fullmatch(offer.proof):
            line = f"{node['uuid']} {hash_token(offer.proof)}"
            if line in await cloud.console_output(server.id, lines=CONSOLE_LINES):
                return server
    except PermanentError as error:
        log.warning("node.not_proven", node=node["uuid"], source=offer.source, reason=str(error))
    except JeroboamError as error:
        raise _not_yet(str(error)) from None
    await _tell(deps, node, offer.source)
    raise ApiError(403, "The token was not offered by the machine of this node, or its console cannot be read.")


def _not_yet(reason: str) -> ApiError:
    return ApiError(425, f"Not yet: {reason}", headers={"Retry-After": str(_RETRY)})


async def _tell(deps: Deps, node: Row, source: str) -> None:
    if not deps.told.is_news(node["uuid"]):
        return
    async with deps.db.transaction() as session:
        await lock_cluster(session, node["cluster_id"])
        row = await session.get(Node, node["uuid"])
        if row is not None:
            reason = f"its one-time token was offered from {source}, which is not proven to be its machine"
            await emit_node(session, row, "node.impersonated.v1", project_id=node["project_id"], reason=reason)
