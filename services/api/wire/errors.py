"""Errors of the API: one class, and Magnum's messages.

Rule: every error response is an `ApiError` with Magnum's status and message; `rendering` defines its format. Clients
compare these messages, so each is defined once, here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ECHO = 1000
_SENTENCE_END = re.compile(r"\.(?=\s|$)")


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status.
        detail: the message; its first sentence is also the title.
        headers: additional response headers.
    """

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The first sentence of the message, without its full stop."""
        return _SENTENCE_END.split(self.detail, maxsplit=1)[0]


def bad_request(detail: str) -> ApiError:
    return ApiError(400, detail)


def invalid_field(name: str, value: Any, message: str) -> ApiError:
    """A value that is invalid for its field. Long values are truncated."""
    shown = str(value)
    if len(shown) > _ECHO:
        shown = f"{shown[:_ECHO]}..."
    return ApiError(400, f"Invalid input for field/attribute {name}. Value: '{shown}'. {message}")


def missing_argument(name: str) -> ApiError:
    """Args: name: Magnum's name of the argument for which the body is empty or null."""
    return ApiError(400, f'Missing argument: "{name}"')


def not_found(kind: str, ident: str) -> ApiError:
    """Args: kind: `Cluster`, `ClusterTemplate`, `Nodegroup`, ...; ident: as given by the caller."""
    return ApiError(404, f"{kind} {ident[:_ECHO]} could not be found.")


def ambiguous_name(plural: str, singular: str) -> ApiError:
    return ApiError(409, f"Multiple {plural} exist with same name. Please use the {singular} uuid instead.")


def conflict(detail: str) -> ApiError:
    return ApiError(409, detail)


def wrong_status(status: str | None, *, doing: str = "Updating") -> ApiError:
    """A change that the cluster's status does not allow, mostly because an operation is live."""
    return bad_request(f'{doing} a cluster when status is "{status}" is not supported.')


def policy_denied(action: str) -> ApiError:
    return ApiError(403, f"Policy doesn't allow {action} to be performed.")


def quota_reached(limit: int) -> ApiError:
    return ApiError(
        403,
        f"Resource limit exceeded: You have reached the maximum clusters per project, {limit}. "
        "You may delete a cluster to make room for a new one.",
    )


def quota_not_found(which: str) -> ApiError:
    """Args: which: `project_id ... resource ...`, or `quota id ...`."""
    return ApiError(404, f"Quota could not be found: {which}.")


def not_authorized() -> ApiError:
    """For a resource of a project that the URL names, so that its existence need not be hidden."""
    return ApiError(403, "Not authorized.")


def not_acceptable(detail: str) -> ApiError:
    return ApiError(406, detail)
