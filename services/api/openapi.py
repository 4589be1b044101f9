"""The OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi


def install(app: FastAPI) -> None:
    """Make the application describe itself with what FastAPI cannot see; built once, when first asked for."""
    built: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not built:
            built.update(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return built

    app.openapi = document  # type: ignore[method-assign]
