"""What a node's agent asks for.

Rule: a node proves itself with the one-time token of its user data, once, and with its own credential ever after; it
can reach nothing but its own node. A lost answer does not strand a node: the exchange may be repeated until the
credential has been used.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import MASTER, Bootstrap, BootstrapContext, NotYet, Secret
from services.api.deps import Deps
from services.api.wire.errors import ApiError, bad_request, conflict, not_found
from services.api.wire.identifiers import as_uuid
from shared.db.models import Cluster, Node, Nodegroup
from shared.domain.states import NodeState
from shared.drivers.registry import get_engine, get_operating_system
from shared.operations.locks import lock_cluster
from shared.operations.node_tokens import hash_token
from shared.operations.reports import record_report
from shared.operations.requests import make_due
from shared.operations.specs import cluster_spec, node_spec, nodegroup_spec
from shared.pki.cluster_secrets import (
    CLOUD_CREDENTIAL,
    as_key_material,
    load_cluster_secret,
    load_cluster_secrets,
)
from shared.pki.node_facts import load_facts, store_facts
from shared.pki.signing import InvalidRequest, sign_node_request


def _is(token: str, stored_hash: str | None) -> bool:
    """Whether a token is the one whose hash is stored; takes the same time either way."""
    return stored_hash is not None and hmac.compare_digest(hash_token(token), stored_hash)


def _unauthorized() -> ApiError:
    return ApiError(401, "The node's token or credential is not valid.", headers={"WWW-Authenticate": "Bearer"})


async def exchange_token(deps: Deps, node_id: str, token: str) -> str:
    """The node's own credential, for its one-time token.

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
    """The node's uuid, when the credential is its own.

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


@dataclass(frozen=True, slots=True)
class NodeBootstrap:
    """What a node fetches. `revision` is the engine's version, `facts` are the names of facts it may report."""

    bootstrap: Bootstrap
    revision: str
    facts: list[str]


async def bootstrap(deps: Deps, node_id: str) -> NodeBootstrap | NotYet:
    """The engine's bootstrap for a node, or why it has to wait."""
    async with deps.db.transaction() as session:
        node, nodegroup, cluster = await _node(session, node_id)
        # What a node needs to know of others are the masters; the rest would be read a thousand times over.
        masters_and_self = await session.scalars(
            select(Node)
            .where(Node.cluster_id == cluster.uuid, or_(Node.role == MASTER, Node.uuid == node.uuid))
            .order_by(Node.nodegroup_id, Node.index)
        )
        opened = await load_cluster_secrets(session, deps.sealer, cluster.uuid)
        engine = get_engine(cluster.engine)
        if engine.secrets.keys() - opened.keys():
            return NotYet("the cluster's keys have not been generated yet")
        found = engine.bootstrap(
            BootstrapContext(
                cluster=cluster_spec(cluster),
                nodegroup=nodegroup_spec(nodegroup),
                node=node_spec(node),
                nodes=[node_spec(each) for each in masters_and_self],
                base_outputs=cluster.base_outputs,
                secrets={name: opened[name] for name in engine.secrets},
                facts=await load_facts(session, deps.sealer, cluster.uuid) if engine.facts else {},
                cloud_config=_cloud_config(deps, opened.get(CLOUD_CREDENTIAL)),
                packages=get_operating_system(nodegroup.operating_system or "").packages,
            )
        )
        if isinstance(found, NotYet):
            return found
        return NodeBootstrap(found, engine.version(cluster_spec(cluster)), sorted(engine.facts))


def _cloud_config(deps: Deps, credential: Secret | None) -> dict[str, str]:
    """Keystone's address and the add-ons' application credential; empty where the cluster has none."""
    stored = json.loads(credential.secret) if credential else {}
    if "id" not in stored:
        return {}
    settings = deps.settings.cloud
    return {
        "auth_url": settings.auth_url,
        "region": settings.region or "",
        "application_credential_id": stored["id"],
        "application_credential_secret": stored["secret"],
        # Nodes reach the same Keystone, so they need the CA we check it with.
        "ca_pem": Path(settings.cacert).read_text() if settings.cacert else "",
    }


async def report(deps: Deps, node_id: str, kind: str, body: dict[str, Any]) -> None:
    """Take one report of a node."""
    async with deps.db.transaction() as session:
        known = await session.get(Node, node_id)
        if known is not None and kind != "heartbeat":
            await lock_cluster(session, known.cluster_id)
        node = await session.get(Node, node_id, with_for_update=True, populate_existing=True)
        if node is None:
            raise not_found("Node", node_id)
        project = await session.scalar(select(Cluster.project_id).where(Cluster.uuid == node.cluster_id))
        assert project is not None
        await record_report(
            session,
            node,
            kind,
            project_id=project,
            now=deps.clock(),
            addresses=body.get("addresses", []),
            data=body.get("data", {}),
            reason=body.get("reason"),
        )


async def report_facts(deps: Deps, node_id: str, facts: dict[str, str]) -> None:
    """Store facts that a node reports, and let the cluster's waiting operation look again.

    Raises:
        ApiError: 400 for a fact that the cluster's engine does not declare, 409 while the node is being removed.
    """
    async with deps.db.transaction() as session:
        node, _, cluster = await _node(session, node_id)
        if node.state == NodeState.REMOVING:
            raise conflict(f"Node {node.name} is being removed.")
        declared = get_engine(cluster.engine).facts
        if unknown := sorted(facts.keys() - declared.keys()):
            raise bad_request(f"Nodes of {cluster.coe} clusters have no fact {unknown[0]}.")
        await store_facts(session, deps.sealer, node_id, facts, declared)
        await make_due(session, cluster.uuid)


async def sign_csr(deps: Deps, node_id: str, csr: str) -> tuple[str, str]:
    """A certificate for the node's own name and addresses, and its CA.

    Raises:
        ApiError: 400 for a request we do not take, 409 before the cluster has its CA.
    """
    async with deps.db.transaction() as session:
        node, _, cluster = await _node(session, node_id)
        wanted = get_engine(cluster.engine).node_certificate(cluster_spec(cluster), node_spec(node))
        if wanted is None:
            raise bad_request(f"Nodes of {cluster.coe} clusters have no certificates.")
        authority = await load_cluster_secret(session, deps.sealer, cluster.uuid, wanted.authority)
        addresses = [address for address in (node.ip_address, node.floating_ip) if address]
        node_name = node.name
    if authority is None or authority.certificate is None:
        raise conflict("The cluster has no CA yet.")
    try:
        certificate = await asyncio.to_thread(
            sign_node_request,
            csr,
            as_key_material(authority),
            common_name=wanted.common_name,
            organizations=wanted.organizations,
            node_name=node_name,
            addresses=addresses,
            now=deps.clock(),
        )
    except InvalidRequest:
        raise bad_request(f"Received invalid csr {csr[:200]}.") from None
    return certificate, authority.certificate


async def _node(session: AsyncSession, node_id: str) -> tuple[Node, Nodegroup, Cluster]:
    found = await session.execute(
        select(Node, Nodegroup, Cluster)
        .join(Nodegroup, Nodegroup.uuid == Node.nodegroup_id)
        .join(Cluster, Cluster.uuid == Node.cluster_id)
        .where(Node.uuid == node_id)
    )
    row = found.one_or_none()
    if row is None:
        raise not_found("Node", node_id)
    node, nodegroup, cluster = row
    return node, nodegroup, cluster
