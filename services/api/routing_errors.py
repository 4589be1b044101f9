"""Requests that fit no route here, and that Magnum answers by naming an argument.

Rule: one table. Magnum maps a method to a function before it looks at how much path there is, so a DELETE of a whole
collection lacks an argument there, and a POST to one thing has a wrong one; clients and tests know the 400s.
"""

from __future__ import annotations

import re

from services.api.errors import ApiError, invalid_field, missing_argument

_CHANGES = ("PATCH", "DELETE")
# (collection's path, methods) -> the argument that Magnum misses.
_MISSING = (
    (r"/v1/clusters", _CHANGES, "cluster_ident"),
    (r"/v1/clustertemplates", _CHANGES, "cluster_template_ident"),
    (r"/v1/federations", _CHANGES, "federation_ident"),
    (r"/v1/certificates", ("PATCH",), "cluster_ident"),
    (r"/v1/credentials", ("PATCH",), "cluster_ident"),
    (r"/v1/quotas", _CHANGES, "project_id"),
    (r"/v1/quotas/[^/]+", ("GET", *_CHANGES), "resource"),
    (r"/v1/clusters/[^/]+/nodegroups", _CHANGES, "nodegroup_id"),
)
# (path of one thing, its argument, Magnum's word for the resource).
_WRONG = (
    (r"/v1/clusters/([^/]+)", "cluster", "Cluster"),
    (r"/v1/clustertemplates/([^/]+)", "cluster_template", "ClusterTemplate"),
    (r"/v1/federations/([^/]+)", "federation", "Federation"),
    (r"/v1/certificates/([^/]+)", "certificate", "Certificate"),
    (r"/v1/clusters/[^/]+/nodegroups/([^/]+)", "nodegroup", "NodeGroup"),
)
# Places that only have things beneath them: no method is right there, but they are there.
_PLACES = re.compile(r"/v1/(credentials|clusters/[^/]+/actions(/[^/]+)?|(stats|mservices)/[^/]+)")


def is_known(path: str) -> bool:
    """Whether Magnum would say 405 rather than 404 of a path that has no route."""
    return _PLACES.fullmatch(path) is not None


def refused_by_name(method: str, path: str) -> ApiError | None:
    """Magnum's refusal of a method on a path that has none of ours; None where it is an ordinary 404 or 405."""
    for pattern, methods, argument in _MISSING:
        if method in methods and re.fullmatch(pattern, path):
            return missing_argument(argument)
    for pattern, argument, word in _WRONG:
        if method == "POST" and (match := re.fullmatch(pattern, path)):
            return invalid_field(argument, ascii(match[1])[1:-1], f"unable to convert to {word}.")
    return None


def answered_by_name(path: str) -> set[str]:
    """The methods that get such a refusal and not a 405: Magnum counts them among the allowed ones."""
    return {method for method in ("GET", "POST", *_CHANGES) if refused_by_name(method, path) is not None}
