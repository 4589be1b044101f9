"""The application: routes, middleware, and the resources that its lifespan opens and closes.

Rule: middleware is pure ASGI and ordered outermost first: request ID, audit log, CORS, paths, identity and version,
accepted media types, then routes. `translation` maps every exception to a response; no other code does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from services.api.administration import driver_routes as drivers
from services.api.administration import service_routes as mservices
from services.api.administration import stats_routes as stats
from services.api.administration import system_routes as system
from services.api.certificates import credential_routes as credentials
from services.api.certificates import routes as certificates
from services.api.clusters import action_routes as actions
from services.api.clusters import routes as clusters
from services.api.deps import Deps, deps_of
from services.api.events import catalog as event_catalog
from services.api.events import routes as events
from services.api.federations import routes as federations
from services.api.middleware.accept import Acceptable
from services.api.middleware.audit import Audit
from services.api.middleware.cors import Cors
from services.api.middleware.identity import Identity
from services.api.middleware.paths import Paths
from services.api.middleware.request_scope import RequestScope
from services.api.nodegroups import routes as nodegroups
from services.api.nodes import agent_routes as agent
from services.api.nodes import routes as nodes
from services.api.openapi.document import install
from services.api.operations import routes as operations
from services.api.prometheus import routes as prometheus
from services.api.quotas import routes as quotas
from services.api.templates import routes as templates
from services.api.webhooks import delivery_routes as deliveries
from services.api.webhooks import routes as webhooks
from services.api.wire.errors import ApiError
from services.api.wire.rendering import error_response, unauthorized_response
from services.api.wire.routing_errors import not_here, refused_by_name, routes_of
from services.api.wire.translation import translated
from shared.cloud.errors import Unauthorized
from shared.domain.errors import JeroboamError
from shared.events.log import CHANNEL
from shared.operations.node_commands import CHANNEL as COMMANDS_CHANNEL
from shared.pki.stored_keys import KeyCheck
from shared.runtime.health import Check, Readiness

log = structlog.get_logger(__name__)
# Routes are matched in order, so the most frequently used come first.
_ROUTERS = (
    clusters,
    templates,
    agent,
    nodegroups,
    nodes,
    operations,
    actions,
    certificates,
    credentials,
    events,
    event_catalog,
    webhooks,
    deliveries,
    prometheus,
    federations,
    quotas,
    stats,
    mservices,
    drivers,
    system,
)
_HANDLED = (ApiError, JeroboamError, SQLAlchemyError, OSError, TimeoutError, Exception)


def create_app(deps: Deps) -> FastAPI:
    """The API as an ASGI application; its lifespan opens `deps` and closes what it opened."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await deps.reader.open()
        await deps.event_log.reader.open()
        deps.wakeups.start([CHANNEL, COMMANDS_CHANNEL])
        deps.commands.start()
        deps.hub.start()
        deps.heartbeats.start()
        try:
            yield
        finally:
            deps.close_waiters()
            await deps.hub.stop()
            await deps.commands.stop()
            await deps.heartbeats.stop()
            await deps.wakeups.stop()
            await deps.answers.close()
            await deps.event_log.reader.close()
            await deps.reader.close()

    app = FastAPI(
        title="Jeroboam",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        # Spans are those of `shared.telemetry.spans`; FastAPI's own would follow the same variables.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        middleware=[
            Middleware(RequestScope),
            Middleware(Audit, database=deps.db, settings=deps.settings.audit),
            Middleware(Cors, origins=deps.settings.cors_allowed_origins),
            Middleware(Paths),
            Middleware(
                Identity,
                clouds=deps.clouds,
                policy=deps.policy,
                auth_url=deps.settings.cloud.auth_url,
                rates=deps.rates,
            ),
            Middleware(Acceptable),
        ],
    )
    app.state.deps = deps
    app.state.limits = deps.settings.limits
    checks: dict[str, Check] = {
        "database": deps.db.ping,
        "cloud": deps.clouds.check,
        "keys": KeyCheck(deps.db, deps.sealer),
    }
    if deps.bus is not None:
        checks["bus"] = deps.bus.check
    given = "public_url" in deps.settings.model_fields_set
    app.state.public_url = deps.settings.public_url.rstrip("/") if given else None
    app.state.readiness = Readiness(checks)
    for module in _ROUTERS:
        # An included router is matched twice for each request, which costs as much as the handler; plain routes once.
        app.router.routes.extend(module.router.routes)
    for kind in _HANDLED:
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(HTTPException, _answer_routing)
    install(app)
    return app


async def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, Unauthorized):
        # Only calls with the caller's own token raise it: it expired or was revoked after it was validated.
        return unauthorized_response(deps_of(request).settings.cloud.auth_url)
    refusal = translated(error)
    if refusal.status >= 500:
        log.error("request.failed", status=refusal.status, error=str(error), exc_info=refusal.status == 500)
    return error_response(request.scope, refusal, routing=refusal.status == 406)


async def _answer_routing(request: Request, _error: Exception) -> Response:
    """Respond to a URL or method without a route; only the router raises these exceptions."""
    path = request.scope["path"]
    if (named := refused_by_name(request.method, path)) is not None:
        return error_response(request.scope, named)
    own = routes_of(request.app.router.routes, path)
    return error_response(request.scope, not_here(request.method, path, own), routing=True)
