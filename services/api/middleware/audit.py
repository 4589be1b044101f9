"""Writes the audit log: one event for each request that may change something, before its response is sent.

Rule: whoever gets a response to such a request is in the log. If the record cannot be stored, it is an error line with
the same contents, and the response is sent: the database being away must not hide what was done before.
"""

from __future__ import annotations

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.audit import RefusalRates, is_audited, record_of, type_of
from services.api.middleware.request_scope import REQUEST_ID
from shared.audit_settings import AuditSettings
from shared.db.engine import Database
from shared.events.catalog import RequestAudited
from shared.events.log import emit
from shared.telemetry.metrics import AUDITED

log = structlog.get_logger(__name__)
# Readers of projects select by the project's ID; only administrators, who read all events, read these.
NO_PROJECT = ""
STORE_SECONDS = 3.0


class Audit:
    """Pure ASGI, within `RequestScope` and around everything that may refuse a request.

    Args:
        database: contains the event log.
    """

    def __init__(self, app: ASGIApp, *, database: Database, settings: AuditSettings) -> None:
        self.app = app
        self._database = database
        self._enabled = settings.enabled
        self._rates = RefusalRates(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._enabled or scope["type"] != "http" or not is_audited(scope):
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_recorded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and not begun:
                begun = True
                await self._record(record_of(scope, scope[REQUEST_ID], message["status"], message))
            await send(message)

        try:
            await self.app(scope, receive, send_recorded)
        except Exception:
            if not begun:  # the response is made outside of the middleware
                await self._record(record_of(scope, scope[REQUEST_ID], 500, None))
            raise

    async def _record(self, record: RequestAudited) -> None:
        if record.status >= 400 and not self._rates.allow(record.address):
            AUDITED.labels("limited").inc()
            return
        try:
            async with asyncio.timeout(STORE_SECONDS), self._database.transaction() as session:
                subject = f"requests/{record.request_id}"
                await emit(session, type_of(record.status), record, project_id=NO_PROJECT, subject=subject)
        except Exception as error:
            AUDITED.labels("failed").inc()
            text = str(error).partition("\n")[0] or type(error).__name__
            log.error("audit.not_stored", error=text, record=record.model_dump(mode="json"))
        else:
            AUDITED.labels("stored").inc()
