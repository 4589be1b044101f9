"""The gateway of the simulated cloud: dispatches ASGI requests to the handlers of services.

Rule: every response has a request ID and the format of its service. Faults are applied before a request is processed.
The response to any request, even a malformed one, is one that the real service could return.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.types import Message, Receive, Scope, Send

from sandbox.openstack.cloud import Service, SimulatedCloud
from sandbox.openstack.nova.api import LOWEST, negotiate
from sandbox.openstack.requests import RequestLog
from sandbox.openstack.wire import NOBODY, Access, ApiError, Call, Reply, Route

log = structlog.get_logger(__name__)
MAX_BODY = 8 * 1024 * 1024
# Heat's default; a shard of nodes with long user data comes close to it.
MAX_HEAT_BODY = 1024 * 1024
HANG_SECONDS = 3600.0
MAX_SEEN = 10_000
DENIED = "The request you have made requires authentication."


class Gateway:
    """The ASGI application of a simulated cloud."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        self.cloud = cloud
        self.services = cloud.services()
        self.log = RequestLog()
        self._seen: dict[str, tuple[Access, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        prefix, _, rest = path.lstrip("/").partition("/")
        service = self.services.get(prefix)
        body = await _read(receive)
        if service is None:
            reply = self._control(method, prefix, body) if not rest else Reply(404, {"message": "no such service"})
            await _answer(send, reply, method)
            return
        access = self._access(service, headers.get("x-auth-token"))
        fault = self.cloud.faults.strike(service.name, method, path, access.project_id if access else None)
        if fault is not None:
            struck = await _strike(fault, receive)
            if struck is not None:
                self.log.count(service.name, method, "(fault)", struck.status)
                await _answer(send, struck, method)
                return
        call = Call(
            method=method,
            base=f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}",
            prefix=prefix,
            path=path,
            params={},
            query=parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
            headers=headers,
            body=None,
            access=access or NOBODY,
        )
        route, reply = self._handle(service, call, f"/{rest}" if rest else "", body)
        self.log.count(service.name, method, route.template if route else "(none)", reply.status)
        asked = headers.get("x-subject-token")
        if service.name == "identity" and method == "GET" and asked and reply.status == 200:
            self._remember(asked, self.cloud.tokens.access(asked))
        await _answer(send, reply, method)

    def _access(self, service: Service, token: str | None) -> Access | None:
        """The identity of the caller, from Keystone or from a cache as in keystonemiddleware."""
        if service.name == "identity" or not token:
            return self.cloud.tokens.access(token)
        remembered, until = self._seen.get(token, (None, 0.0))
        if remembered is not None and time.monotonic() < until:
            return remembered
        access = self.cloud.tokens.access(token)
        self._remember(token, access)
        return access

    def _remember(self, token: str, access: Access | None) -> None:
        """Cache a validated token for all services."""
        if access is None or self.cloud.config.token_cache_seconds <= 0:
            return
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen[token] = (access, time.monotonic() + self.cloud.config.token_cache_seconds)

    def _handle(self, service: Service, call: Call, path: str, body: bytes | None) -> tuple[Route | None, Reply]:
        route = None
        try:
            route = self._route(service, call, path)
            if not route.open and not call.access.user_id:
                raise ApiError(401, DENIED, headers={"WWW-Authenticate": f'Keystone uri="{call.base}/identity/v3"'})
            if service.name == "orchestration" and body is not None and len(body) > MAX_HEAT_BODY:
                words = f"JSON body size ({len(body)} bytes) exceeds maximum allowed size ({MAX_HEAT_BODY} bytes)."
                raise ApiError(400, f"Request limit exceeded: {words}", "RequestLimitExceeded")
            call.body = _parsed(body)
            if service.name == "compute":
                call.version = LOWEST if route.open else negotiate(call.headers)
            if service.name == "orchestration" and call.method == "POST" and path.endswith("/stacks"):
                self.log.stack_post(str((call.body or {}).get("stack_name")))
            reply = route.handler(call)
        except ApiError as error:
            reply = Reply(error.status, service.render_error(error), dict(error.headers))
            if error.status == 401 and service.name == "identity":
                reply.headers.setdefault("WWW-Authenticate", f'Keystone uri="{call.base}/identity/v3"')
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            # The body has an unexpected structure, which the real service's validation would reject with 400.
            log.warning("request not understood", path=call.path, method=call.method, exc_info=error)
            wrong = ApiError(400, f"The request could not be understood: {error!r}")
            reply = Reply(400, service.render_error(wrong))
        if service.name == "compute":
            version = f"{call.version[0]}.{call.version[1]}"
            reply.headers.setdefault("OpenStack-API-Version", f"compute {version}")
            reply.headers.setdefault("X-OpenStack-Nova-API-Version", version)
            reply.headers.setdefault("Vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version")
        return route, reply

    def _route(self, service: Service, call: Call, path: str) -> Route:
        known = False
        for route in service.routes:
            match = route.pattern.match(path)
            if match is None:
                continue
            if route.method == call.method:
                call.params = {key: unquote(value) for key, value in match.groupdict().items()}
                return route
            known = True
        raise ApiError(405 if known else 404, "The resource could not be found." if not known else "Method not allowed")

    def _control(self, method: str, name: str, body: bytes | None) -> Reply:
        """Control requests of the simulator, which need no token."""
        faults = self.cloud.faults
        try:
            match (method, name):
                case ("GET", ""):
                    return Reply(200, {"simulated": True, "services": sorted(self.services)})
                case ("GET", "faults"):
                    return Reply(200, faults.shown())
                case ("PUT", "faults"):
                    faults.put(_parsed(body) or {})
                    return Reply(200, faults.shown())
                case ("DELETE", "faults"):
                    faults.clear()
                    return Reply(204)
                case ("GET", "requests"):
                    return Reply(200, self.log.shown())
                case ("DELETE", "requests"):
                    self.log.clear()
                    return Reply(204)
        except ApiError as error:
            return Reply(error.status, {"message": error.message})
        return Reply(404, {"message": "no such service"})


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if it is larger than any real service accepts."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks) if size <= MAX_BODY else None


def _parsed(body: bytes | None) -> Any:
    if body is None:
        raise ApiError(413, "Request is too large.")
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, "Malformed request body: not JSON") from error


async def _strike(fault: dict[str, Any], receive: Receive) -> Reply | None:
    """Apply a fault; None if the request continues after a delay."""
    if fault.get("delay_s"):
        await asyncio.sleep(float(fault["delay_s"]))
    if fault.get("hang"):
        try:
            async with asyncio.timeout(HANG_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
        return Reply(504, None)
    if fault.get("drop"):
        # This is the only access to uvicorn's connection; with other servers, the response is a plain 502.
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
            await receive()
        return Reply(502, None)
    if "status" in fault:
        return Reply(int(fault["status"]), fault.get("body"), dict(fault.get("headers") or {}))
    return None


async def _answer(send: Send, reply: Reply, method: str) -> None:
    if reply.body is None:
        body, kind = b"", ""
    elif isinstance(reply.body, str):
        body, kind = reply.body.encode(), "text/html; charset=UTF-8"
    else:
        body, kind = json.dumps(reply.body).encode(), "application/json"
    headers = {"X-Openstack-Request-Id": f"req-{uuid.uuid4()}", **reply.headers}
    if kind:
        headers.setdefault("Content-Type", kind)
    if reply.status != 204:
        headers["Content-Length"] = str(len(body))
    raw = [(key.lower().encode("latin-1"), str(value).encode("latin-1")) for key, value in headers.items()]
    start: Message = {"type": "http.response.start", "status": reply.status, "headers": raw}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
