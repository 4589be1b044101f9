"""What a node runs to join, and the certificate for its own key."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import or_, select

from jeroboam.driver import BOOTSTRAP, MASTER, Bootstrap, BootstrapContext, NotYet, Secret
from services.api.deps import Deps
from services.api.nodes.queries import node_with_owners
from services.api.wire.errors import ApiError, bad_request, conflict
from shared.db.models import Node
from shared.domain.states import NodeState
from shared.drivers.registry import get_engine, get_operating_system
from shared.operations.node_commands import bootstrap_is_wanted
from shared.operations.readmission import removal_is_pending
from shared.operations.specs import cluster_spec, node_spec, nodegroup_spec
from shared.pki.cluster_secrets import (
    CLOUD_CREDENTIAL,
    as_key_material,
    load_cluster_secret,
    load_cluster_secrets,
    secrets_of_engine,
)
from shared.pki.node_facts import load_facts
from shared.pki.signing import InvalidRequest, sign_node_request


@dataclass(frozen=True, slots=True)
class NodeBootstrap:
    """What a node fetches. `revision` is the engine's version, `facts` are the names of facts it may report."""

    bootstrap: Bootstrap
    revision: str
    facts: list[str]


async def bootstrap(deps: Deps, node_id: str) -> NodeBootstrap | NotYet:
    """The engine's bootstrap for a node, or why it has to wait.

    Raises:
        ApiError: 403 for a node that has joined, unless a command of an operation has it fetch its bootstrap again.
    """
    async with deps.db.transaction() as session:
        node, nodegroup, cluster = await node_with_owners(session, node_id)
        if node.state == NodeState.JOINED and not await bootstrap_is_wanted(session, node.uuid):
            raise ApiError(403, f"Node {node.name} has joined, and no operation needs its bootstrap.")
        if await removal_is_pending(session, node, deps.clock()):
            return NotYet("the machine's previous membership of the cluster is being removed", 2)
        # What a node needs to know of others are the masters and what it is installed from; the rest would be read a
        # thousand times over.
        needed_and_self = await session.scalars(
            select(Node)
            .where(Node.cluster_id == cluster.uuid, or_(Node.role.in_((MASTER, BOOTSTRAP)), Node.uuid == node.uuid))
            .order_by(Node.nodegroup_id, Node.index)
        )
        opened = await load_cluster_secrets(session, deps.sealer, cluster.uuid)
        engine = get_engine(cluster.engine)
        secrets = secrets_of_engine(engine, opened)
        if engine.secrets.keys() - secrets.keys():
            return NotYet("the cluster's keys have not been generated yet")
        spec = cluster_spec(cluster)
        operating_system = get_operating_system(nodegroup.operating_system or "")
        found = engine.bootstrap(
            BootstrapContext(
                cluster=spec,
                nodegroup=nodegroup_spec(nodegroup),
                node=node_spec(node),
                nodes=[node_spec(each) for each in needed_and_self],
                base_outputs=cluster.base_outputs,
                secrets=secrets,
                facts=await load_facts(session, deps.sealer, cluster.uuid) if engine.facts else {},
                cloud_config=_cloud_config(deps, opened.get(CLOUD_CREDENTIAL)),
                packages=operating_system.packages,
                programs_directory=operating_system.programs_directory,
                authorities=_text(deps.settings.nodes_ca_file),
            )
        )
        if isinstance(found, NotYet):
            return found
        # A nodegroup may be of another version than its cluster.
        own = replace(spec, labels={**spec.labels, **nodegroup.labels})
        return NodeBootstrap(found, engine.version(own), sorted(engine.facts))


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
        "ca_pem": _text(settings.cacert),
    }


def _text(path: Path | str | None) -> str:
    return Path(path).read_text() if path else ""


async def sign_csr(deps: Deps, node_id: str, csr: str) -> tuple[str, str]:
    """A certificate for the node's own name and addresses, and its CA.

    Raises:
        ApiError: 400 for a request we do not take, 409 before the cluster has its CA, 425 before the node's addresses
            are known.
    """
    async with deps.db.transaction() as session:
        node, _, cluster = await node_with_owners(session, node_id)
        wanted = get_engine(cluster.engine).node_certificate(cluster_spec(cluster), node_spec(node))
        if wanted is None:
            raise bad_request(f"Nodes of {cluster.coe} clusters have no certificates.")
        authority = await load_cluster_secret(session, deps.sealer, cluster.uuid, wanted.authority)
        addresses = [address for address in (node.ip_address, node.floating_ip) if address]
        if wanted.endpoint:
            served = (cluster.base_outputs.get(name) for name in ("api_address", "api_private_address"))
            addresses += [address for address in served if address and address not in addresses]
        node_name = node.name
        if node.ip_address is None:
            raise ApiError(425, "Not yet: the node's addresses are not known.", headers={"Retry-After": "5"})
    if authority is None or authority.certificate is None:
        raise conflict("The cluster has no CA yet.")
    try:
        certificate = await asyncio.to_thread(
            sign_node_request,
            csr,
            as_key_material(authority),
            wanted,
            node_name=node_name,
            addresses=addresses,
            now=deps.clock(),
        )
    except InvalidRequest:
        raise bad_request(f"Received invalid csr {csr[:200]}.") from None
    return certificate, authority.certificate
