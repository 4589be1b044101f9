"""Operations of the OpenAPI document that only refuse, and those a path takes from another one.

Rule: made from the table that answers them (`routing_errors`) and from the routes themselves, so that the document
lists exactly the methods that `Allow` names and no client has to find out by trying.
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
    """Complete `paths` with every method that is allowed there and not described yet.

    Args:
        paths: the document's, changed in place.
        refusing: what every operation that only refuses says: its responses and its security.
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
                    "summary": "Always refused, as Magnum does",
                    "parameters": path_parameters(path),
                    **deepcopy(dict(refusing)),
                }


def path_parameters(path: str) -> list[Schema]:
    """One for each `{name}` in the path."""
    schema = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(schema)}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
