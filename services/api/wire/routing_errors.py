"""Magnum's responses to URLs and methods without a route.

Rule: one table defines them, and the OpenAPI document is generated from it. Magnum maps a method to a function of the
resource before it checks the length of the path. Therefore a DELETE of a collection lacks an argument, a POST to a
single resource has an invalid one, and a 405 allows all methods for which the resource has a function. Clients and
tests depend on these responses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from starlette.routing import BaseRoute, Match

from services.api.wire.errors import ApiError, invalid_field, missing_argument, not_found
from services.api.wire.identifiers import as_uuid

_ALL = frozenset({"GET", "POST", "PATCH", "DELETE"})
_CHANGES = frozenset({"PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class _Resource:
    """One of Magnum's resources.

    Args:
        path: path of its collection.
        methods: methods for which it has a function.
        parts: number of path segments below the collection that identify one resource.
    """

    path: str
    methods: frozenset[str] = _ALL
    parts: int = 1


# More specific paths first: a path belongs to the first resource that matches.
_RESOURCES = (
    _Resource("/v1/clusters/{cluster_id}/nodegroups"),
    _Resource("/v1/clusters/{cluster_id}/actions/resize", frozenset({"POST"}), parts=0),
    _Resource("/v1/clusters/{cluster_id}/actions/upgrade", frozenset({"POST"}), parts=0),
    _Resource("/v1/clusters/{cluster_id}/actions", frozenset()),
    _Resource("/v1/clusters"),
    _Resource("/v1/clustertemplates"),
    _Resource("/v1/federations"),
    _Resource("/v1/quotas", parts=2),
    _Resource("/v1/certificates", frozenset({"GET", "PATCH", "POST"})),
    _Resource("/v1/credentials", frozenset({"PATCH"})),
    _Resource("/v1/stats", frozenset({"GET"})),
    _Resource("/v1/mservices", frozenset({"GET"})),
)
# (path, methods) -> the argument that is missing in Magnum.
_MISSING = (
    ("/v1/clusters", _CHANGES, "cluster_ident"),
    ("/v1/clustertemplates", _CHANGES, "cluster_template_ident"),
    ("/v1/federations", _CHANGES, "federation_ident"),
    ("/v1/certificates", frozenset({"PATCH"}), "cluster_ident"),
    ("/v1/credentials", frozenset({"PATCH"}), "cluster_ident"),
    ("/v1/quotas", _CHANGES, "project_id"),
    ("/v1/quotas/{project_id}", _CHANGES | {"GET"}, "resource"),
    ("/v1/clusters/{cluster_id}/nodegroups", _CHANGES, "nodegroup_id"),
)
# Path of a single resource -> the argument of a POST to it, and Magnum's class of that argument.
_WRONG = (
    ("/v1/clusters/{cluster_id}", "cluster", "Cluster"),
    ("/v1/clustertemplates/{template_id}", "cluster_template", "ClusterTemplate"),
    ("/v1/federations/{federation_id}", "federation", "Federation"),
    ("/v1/certificates/{cluster_id}", "certificate", "Certificate"),
    ("/v1/quotas/{project_id}", "quota", "Quota"),
    ("/v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}", "nodegroup", "NodeGroup"),
)
_DETAIL_OF_ONE = re.compile(r"/v1/(?:clusters|clustertemplates|federations)/([^/]+)/detail")
# Paths for which all methods are wrong, even those of the resource.
_PLACES = re.compile(r"/v1/(?:certificates|credentials(/.+)?|clusters/[^/]+/actions(/.+)?|(stats|mservices)/.+)")

_ROOTS = ("/", "/v1")

PATHS = frozenset({path for path, *_ in (*_MISSING, *_WRONG)})


def is_magnums(method: str, path: str) -> bool:
    """Whether Magnum has a function for this path and method; Jeroboam's additions are not Magnum's."""
    if path in _ROOTS:
        return method == "GET"
    for resource in _RESOURCES:
        beneath = _match(resource.path, path, r"((?:/.*)?)")
        if beneath is not None:
            return method in resource.methods and beneath[beneath.re.groups].count("/") <= resource.parts
    return False


def allowed_methods(path: str, own: Collection[str]) -> set[str]:
    """The methods that a 405 allows; empty only if Magnum has nothing but subresources below the path.

    Args:
        own: the methods of Jeroboam's routes for this path; empty if there are none.
    """
    if path in _ROOTS:
        return {*own, "GET"}
    for resource in _RESOURCES:
        beneath = _match(resource.path, path, r"((?:/.*)?)")
        if beneath is None:
            continue
        # For paths that Magnum does not have, only Jeroboam's methods count.
        ours = own and beneath[beneath.re.groups].count("/") > resource.parts
        return set(own) if ours else {*own, *resource.methods}
    return set(own) or {"GET"}


def routes_of(routes: Iterable[BaseRoute], path: str) -> dict[str, BaseRoute]:
    """The route of each method of `path`; several routes can share a path."""
    scope = {"type": "http", "path": path, "method": "", "root_path": "", "headers": []}
    here = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    found: dict[str, BaseRoute] = {}
    for route in here:
        for method in getattr(route, "methods", None) or ():
            found.setdefault(method, route)
    return found


def not_here(method: str, path: str, own: Collection[str]) -> ApiError:
    """The plain 404 or 405 for a method that the path does not support.

    Args:
        own: the methods of Jeroboam's routes for this path.
    """
    allowed = allowed_methods(path, own)
    if method in allowed and _PLACES.fullmatch(path) is None:
        return ApiError(404, "")
    return ApiError(405, "", headers={"Allow": ", ".join(sorted(allowed))})


def refused_by_name(method: str, path: str) -> ApiError | None:
    """Magnum's error if it maps the request to one of its functions; None for a plain 404 or 405."""
    for pattern, methods, argument in _MISSING:
        if method in methods and _match(pattern, path):
            return missing_argument(argument)
    for pattern, argument, word in _WRONG:
        if method == "POST" and (match := _match(pattern, path)):
            given = ascii(match[match.re.groups])[1:-1]
            error = f"{word}.__init__() takes 1 positional argument but 2 were given"
            return invalid_field(argument, given, f"unable to convert to {word}. Error: {error}")
    if method == "GET" and (match := _DETAIL_OF_ONE.fullmatch(path)):
        if as_uuid(match[1]):
            return not_found("The detail of one resource", match[1])
        given = ascii(match[1])[1:-1][:100]
        return invalid_field(
            "marker", given, f"unable to convert to uuid. Error: Expected a uuid but received {given}."
        )
    return None


def _match(template: str, path: str, rest: str = "") -> re.Match[str] | None:
    """Args: template: a path in which `{name}` stands for one segment; rest: a pattern of what can follow."""
    return re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", template) + rest, path)
