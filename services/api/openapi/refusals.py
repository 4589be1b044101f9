"""Operations of the OpenAPI document that always return an error, and those that a path shares with another one.

Rule: they are generated from the table that answers them (`routing_errors`) and from the routes, so that the document
lists exactly the methods in `Allow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from starlette.routing import BaseRoute

from services.api.wire.routing_errors import PATHS, allowed_methods, routes_of

Schema = dict[str, Any]


def add_refusals(paths: dict[str, Any], routes: Iterable[BaseRoute], refusing: Mapping[str, Any]) -> None:
    """Add every method to `paths` that is allowed and not described yet.

    Args:
        paths: the paths of the document, changed in place.
        refusing: responses and security of operations that always return an error.
    """
    routes = list(routes)
    for path in sorted({path for path in paths if path.startswith("/v1/")} | PATHS):
        sample = re.sub(r"\{\w+\}", "x", path)
        own = routes_of(routes, sample)
        described = paths.setdefault(path, {})
        for method in sorted(allowed_methods(sample, own)):
            if method.lower() in described:
                continue
            name = f"{method.lower()}_{re.sub(r'[^a-z]+', '_', path.lower()).strip('_')}"
            if method in own:
                taken = deepcopy(paths[getattr(own[method], "path", path)][method.lower()])
                taken["parameters"] = [each for each in taken["parameters"] if each["in"] != "path"]
                described[method.lower()] = taken | {"operationId": name}
            else:
                described[method.lower()] = {
                    "operationId": name,
                    "summary": "Always rejected, as in Magnum",
                    "parameters": path_parameters(path),
                    **deepcopy(dict(refusing)),
                }


def path_parameters(path: str) -> list[Schema]:
    """Build one parameter for each `{name}` in the path."""
    schema = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(schema)}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
