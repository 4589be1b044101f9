"""/v1/nodes/{id}: the requests of nodes' agents; docs/agent-protocol.md describes them."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Request, Response

from jeroboam.driver import NotYet
from services.api.deps import Deps, deps_of
from services.api.nodes import agent_commands, credentials, reports
from services.api.nodes import bootstrap as bootstraps
from services.api.nodes.proof import Offer
from services.api.wire.bodies import check_query, read_object
from services.api.wire.errors import ApiError, invalid_field
from services.api.wire.fields import Field, boolean, integer, one_of, parse_body, storable, string, strings
from services.api.wire.rendering import empty_response, json_response
from shared.drivers.agent import bundle
from shared.operations.node_commands import MOST_RESULTS, RESULT_NAME, RESULT_VALUE, is_result
from shared.operations.reports import REPORT_KINDS

router = APIRouter(prefix="/v1/nodes/{node_id}", tags=["agent"])
TOKEN_HEADER = "X-Jeroboam-Token"  # noqa: S105 - a header's name
PROOF_HEADER = "X-Jeroboam-Proof"
MAX_WAIT = 60
_PEM = "application/x-pem-file"
_MAX_DATA = 16384
# What the agent sends at most; it is stored, and part of an event.
_MAX_REASON = 4096


def _addresses(name: str, value: Any) -> list[str]:
    found = strings(name, value)
    try:
        return [str(ip_address(address)) for address in found[:16]]
    except ValueError:
        raise invalid_field(name, value, "Value should be a list of IP addresses") from None


def _data(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        text = json.dumps(value, ensure_ascii=False)
        if len(text) <= _MAX_DATA and storable(text) and "\\u0000" not in text:
            return value
    raise invalid_field(name, "...", "Value should be a small object")


_FACT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST_FACTS = 32
_MAX_FACT = 4096


def _facts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_FACTS:
        raise invalid_field(name, "...", f"Value should be an object of at most {_MOST_FACTS} facts")
    for fact, text in value.items():
        if not _FACT_NAME.fullmatch(fact):
            raise invalid_field(name, ascii(fact)[:100], "Names of facts are lower case letters, digits and _")
        if not isinstance(text, str) or len(text) > _MAX_FACT or not text.isprintable() or not storable(text):
            raise invalid_field(name, fact, f"Value should be one line of at most {_MAX_FACT} characters")
    return value


def _reason(name: str, value: Any) -> str:
    """A reason; the end of a long one is left out, because a node must be able to say that it failed."""
    text: str = string(shortest=0, longest=8192)(name, value)
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."


FACTS = "facts"


def _results(name: str, value: Any) -> dict[str, str]:
    small = isinstance(value, dict) and len(value) <= MOST_RESULTS
    if small and all(isinstance(text, str) and is_result(key, text) for key, text in value.items()):
        return dict(value)
    raise invalid_field(name, "...", f"Value should be at most {MOST_RESULTS} names, each with one line of text")


_RESULTS = {
    "type": "object",
    "maxProperties": MOST_RESULTS,
    "propertyNames": {"pattern": f"^{RESULT_NAME.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": f"^{RESULT_VALUE.pattern}$"},
}
REPORT_FIELDS = [
    Field("kind", one_of(*REPORT_KINDS, FACTS), {"enum": [*REPORT_KINDS, FACTS]}, mandatory=True),
    Field("facts", _facts, {"type": "object", "additionalProperties": {"type": "string"}}),
    Field("addresses", _addresses, {"type": "array", "items": {"type": "string"}}),
    Field("data", _data, {"type": "object"}),
    Field("reason", _reason, {"type": "string"}),
]
CSR_FIELDS = [Field("csr", string(longest=65536), {"type": "string"}, mandatory=True)]
RESULT_FIELDS = [
    Field("ok", boolean, {"type": "boolean"}, mandatory=True),
    Field("output", string(shortest=0, longest=1_000_000), {"type": "string"}),
    Field("results", _results, _RESULTS),
]


@router.post("/credential", summary="Exchange the one-time token for a credential")
async def exchange(request: Request, node_id: str) -> Response:
    check_query(request, ())
    deps, address = deps_of(request), request.client.host if request.client else ""
    # By address as well, so that a stranger who knows a node's ID does not use up what its machine may ask.
    deps.rates.node_request(f"{node_id[:64]} {address}")
    offer = Offer(request.headers.get(TOKEN_HEADER, ""), address, request.headers.get(PROOF_HEADER, ""))
    return json_response({"credential": await credentials.exchange_token(deps, node_id, offer)})


@router.get("/bootstrap", summary="Get the bootstrap script and files")
async def bootstrap(request: Request, node_id: str) -> Response:
    check_query(request, ())
    deps, node = await _authenticated(request, node_id)
    found = await bootstraps.bootstrap(deps, node)
    if isinstance(found, NotYet):
        raise ApiError(425, f"Not yet: {found.reason}", headers={"Retry-After": str(found.retry_after)})
    if bundle.MEDIA_TYPE in request.headers.get("accept", ""):
        return Response(bundle.render(found.bootstrap, found.revision), media_type=bundle.MEDIA_TYPE)
    return json_response(
        {
            "script": found.bootstrap.script,
            "files": [dict(file) for file in found.bootstrap.files],
            "revision": found.revision,
            "facts": found.facts,
        }
    )


@router.post("/reports", status_code=204, summary="Report the state of a node")
async def report(request: Request, node_id: str) -> Response:
    check_query(request, ())
    deps, node = await _authenticated(request, node_id)
    body = parse_body(await read_object(request, "report"), REPORT_FIELDS, "report")
    deps.rates.report(node, changes=body["kind"] not in ("heartbeat", FACTS))
    if body["kind"] == FACTS:
        await reports.report_facts(deps, node, body.get("facts", {}))
    else:
        await reports.report(deps, node, body["kind"], body)
    return empty_response()


@router.post("/csr", summary="Sign the node's certificate signing request")
async def csr(request: Request, node_id: str) -> Response:
    check_query(request, ())
    deps, node = await _authenticated(request, node_id)
    body = parse_body(await read_object(request, "csr"), CSR_FIELDS, "csr")
    certificate, ca = await bootstraps.sign_csr(deps, node, body["csr"])
    if _PEM in request.headers.get("accept", ""):
        return Response(certificate, media_type=_PEM)
    return json_response({"certificate": certificate, "ca": ca})


@router.get("/commands", summary="Wait for commands")
async def commands(request: Request, node_id: str) -> Response:
    check_query(request, ("wait",))
    deps, node = await _authenticated(request, node_id)
    seconds = integer()("wait", request.query_params.get("wait", "0"))
    release = deps.poll_places.take(node=node, process="") if seconds > 0 else None
    try:
        found = await agent_commands.wait_for_commands(deps, node, min(seconds, MAX_WAIT))
    finally:
        if release is not None:
            release()
    if "text/plain" in request.headers.get("accept", ""):
        return Response(bundle.render_commands(found), media_type="text/plain")
    return json_response({"commands": found})


@router.post("/commands/{command_id}/result", status_code=204, summary="Report the result of a command")
async def result(request: Request, node_id: str, command_id: str) -> Response:
    check_query(request, ())
    deps, node = await _authenticated(request, node_id)
    body = parse_body(await read_object(request, "result"), RESULT_FIELDS, "result")
    if not storable(command_id):
        raise ApiError(404, "Command could not be found.")
    told = agent_commands.CommandResult(body["ok"], body.get("output", ""), body.get("results", {}))
    await agent_commands.finish_command(deps, node, command_id, told)
    return empty_response()


async def _authenticated(request: Request, node_id: str) -> tuple[Deps, str]:
    deps = deps_of(request)
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        credential = ""
    node = await credentials.authenticate(deps, node_id, credential)
    deps.rates.node_request(node)
    return deps, node
