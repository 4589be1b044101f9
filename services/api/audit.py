"""What the audit log records of a request: who asked what, from where, with which outcome. See docs/audit.md.

Rule: records are for operators: they belong to no project, so that no user reads addresses and attempts of others.
Texts that a caller chooses are cut and cleaned. Refusals are recorded up to a rate, because each costs a write.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Message, Scope

from shared.audit_settings import AuditSettings
from shared.cloud.types import Identity
from shared.domain.buckets import Buckets
from shared.events.catalog import RequestAudited

CALLER = "jeroboam.caller"
ACCEPTED, REJECTED = "request.accepted.v1", "request.rejected.v1"
LONGEST = 255
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OF_AGENTS = "/v1/nodes/"
_ALL = "all addresses"


def is_audited(scope: Scope) -> bool:
    """Whether a request may change something on behalf of a user. Agents of nodes report; they do not ask."""
    return scope["method"] in _WRITES and not scope["path"].startswith(_OF_AGENTS)


def type_of(status: int) -> str:
    """The type of the event for a response."""
    return ACCEPTED if status < 400 else REJECTED


def record_of(scope: Scope, request_id: str, status: int, response: Message | None) -> RequestAudited:
    """The record of a request.

    Args:
        scope: after the request was processed: with the caller, if Keystone knew the token, and the route.
        response: the start of the response; None if there was none.
    """
    caller: Identity | None = scope.get(CALLER)
    headers = Headers(scope=scope)
    location = Headers(raw=list(response["headers"])).get("location") if response else None
    client = scope.get("client")
    return RequestAudited(
        request_id=request_id,
        method=scope["method"],
        route=getattr(scope.get("route"), "path", None),
        path=clean(scope["path"]) or "",
        status=status,
        location=clean(location),
        user_id=caller.user_id if caller else None,
        user_name=clean(caller.user_name) if caller else None,
        project_id=caller.project_id if caller else None,
        roles=sorted(clean(role) or "" for role in caller.roles)[:50] if caller else [],
        address=client[0] if client else None,
        agent=clean(headers.get("user-agent")),
    )


def clean(text: str | None) -> str | None:
    """A text of a caller without what cannot be printed or stored, and not too long."""
    if text is None:
        return None
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:LONGEST])


class RefusalRates:
    """Which refusals are recorded."""

    def __init__(self, settings: AuditSettings) -> None:
        burst = settings.burst_seconds
        self._by_address = Buckets(settings.refusals_per_address, settings.refusals_per_address * burst)
        self._all = Buckets(settings.refusals, settings.refusals * burst)

    def allow(self, address: str | None) -> bool:
        return self._by_address.take(address) == 0 and self._all.take(_ALL) == 0
