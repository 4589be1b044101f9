"""Normalizes URLs as Magnum does: trailing and repeated slashes, and resources without `/v1`.

Rule: routes are defined once, as `/v1/<resource>` without a trailing slash; only this module handles other forms.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

_RESOURCES = frozenset(
    {
        "certificates",
        "clusters",
        "clustertemplates",
        "credentials",
        "drivers",
        "event-types",
        "events",
        "federations",
        "mservices",
        "nodegroups",
        "nodes",
        "operations",
        "quotas",
        "stats",
        "webhooks",
    }
)


class Paths:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = canonical(scope["path"])
            scope["path"] = path
            scope["raw_path"] = path.encode("utf-8", "surrogateescape")
        await self.app(scope, receive, send)


def canonical(path: str) -> str:
    """The form in which routes are defined."""
    # Magnum ignores empty segments.
    path = "/" + "/".join(segment for segment in path.split("/") if segment)
    first = path[1:].partition("/")[0]
    return f"/v1{path}" if first in _RESOURCES else path
