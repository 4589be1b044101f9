"""Validates tokens and negotiates the microversion, before any route.

Rule: every path that is not listed as public requires a valid Keystone token, so a new route is protected by default.
The routes for node agents (`/v1/nodes/...`) and for Prometheus servers (`/v1/prometheus/targets`) do not use Keystone;
they check the credential of the node or the server themselves.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.audit import CALLER
from services.api.context import KEY, RequestContext
from services.api.middleware.request_scope import REQUEST_ID
from services.api.policy import Policy
from services.api.rates import Rates
from services.api.wire import microversion
from services.api.wire.accept import accept_of, prefers_json
from services.api.wire.errors import ApiError
from services.api.wire.rendering import UNVERSIONED, error_response, unauthorized_response
from services.api.wire.translation import translated
from shared.cloud.contract import CloudFactory
from shared.cloud.types import Identity as Caller
from shared.domain.errors import JeroboamError

_PUBLIC = frozenset({"/", "/healthcheck", "/livez", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json"})
_NODES = "/v1/nodes/"
_TARGETS = "/v1/prometheus/targets"
_LONGEST_TOKEN = 16384


class Identity:
    """Pure ASGI.

    Args:
        clouds: validates tokens (and caches the results).
        auth_url: Keystone's URL, for the `WWW-Authenticate` header.
        rates: how often callers may ask, and offer unknown tokens.
    """

    def __init__(self, app: ASGIApp, *, clouds: CloudFactory, policy: Policy, auth_url: str, rates: Rates) -> None:
        self.app = app
        self._rates = rates
        self._clouds = clouds
        self._policy = policy
        self._auth_url = auth_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        request = Request(scope)
        if path == "/v1":
            await self._versioned(scope, request, None, receive, send)
            return
        if path in _PUBLIC or path == _TARGETS or path.startswith(_NODES):
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._caller(request)
        except (ApiError, JeroboamError) as error:
            await error_response(scope, translated(error))(scope, receive, send)
            return
        if caller is None:
            await unauthorized_response(self._auth_url)(scope, receive, send)
            return
        await self._versioned(scope, request, caller, receive, send)

    async def _versioned(
        self, scope: Scope, request: Request, caller: Caller | None, receive: Receive, send: Send
    ) -> None:
        """Process the request with the requested version; `caller` is None for public paths."""
        try:
            version = microversion.negotiate(request.headers.get(microversion.HEADER), scope["path"])
            if caller is not None:
                scope[KEY] = self._context(scope, request, caller, version)
        except microversion.UnsupportedVersion as error:
            asked = microversion.headers(error.version)
            described = prefers_json(accept_of(scope))
            refusal = microversion.unsupported_response(error.version, described=described)
            await refusal(scope, receive, _with_version(scope, send, asked))
            return
        except ApiError as error:
            await error_response(scope, error, routing=error.status == 406)(scope, receive, send)
            return
        if caller is not None:
            structlog.contextvars.bind_contextvars(user_id=caller.user_id, project_id=caller.project_id)
        await self.app(scope, receive, _with_version(scope, send, _HEADERS[version]))

    async def _caller(self, request: Request) -> Caller | None:
        token = request.headers.get("x-auth-token", "")
        if not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            return None
        address = request.client.host if request.client else ""
        known = self._clouds.knows_token(token)
        if not known:
            self._rates.check_address(address)
        caller = await self._clouds.validate_token(token)
        if caller is None:
            # The same token again costs Keystone nothing, while its answer is cached.
            if not known:
                self._rates.unknown_token(address)
        else:
            request.scope[CALLER] = caller
            self._rates.request(caller.user_id, caller.project_id)
        return caller

    def _context(
        self, scope: Scope, request: Request, caller: Caller, version: microversion.Microversion
    ) -> RequestContext:
        admin = self._policy.is_admin(caller.roles)
        if caller.project_id is None and not admin:
            raise ApiError(403, "Not authorized.")
        project = caller.project_id or ""
        return RequestContext(
            request_id=scope[REQUEST_ID],
            user_id=caller.user_id,
            user_name=caller.user_name,
            project_id=project,
            roles=caller.roles,
            token=request.headers["x-auth-token"],
            all_projects=admin,
            version=version,
        )


def _with_version(scope: Scope, send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_version(message: Message) -> None:
        if message["type"] == "http.response.start" and UNVERSIONED not in scope:
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return send_with_version


_HEADERS = {(1, minor): microversion.headers((1, minor)) for minor in range(1, microversion.MAX[1] + 1)}
