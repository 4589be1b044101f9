"""Requests and responses of the simulated cloud's handlers.

Rule: a handler is a plain function from `Call` to `Reply`. It never awaits, so each request is atomic, like a database
transaction in the real service. Errors are raised as `ApiError`, and the service renders them in its format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

Version = tuple[int, int]


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status.
        message: message of the real service.
        kind: the service's name of the error, e.g. Neutron's `NetworkInUse`.
        headers: extra answer headers.
    """

    def __init__(self, status: int, message: str, kind: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Access:
    """The caller, from a Keystone token. `project_id` is None for unscoped and system tokens."""

    token_id: str
    user_id: str
    user_name: str
    project_id: str | None
    project_name: str | None
    roles: frozenset[str]
    system: bool = False
    application_credential_id: str | None = None

    @property
    def admin(self) -> bool:
        """An administrator of one project is an administrator of all, as in OpenStack's legacy default policies."""
        return "admin" in self.roles

    def sees(self, project_id: str | None) -> bool:
        """Whether resources of that project are visible."""
        return self.admin or (project_id is not None and project_id == self.project_id)


NOBODY = Access("", "", "", None, None, frozenset())


@dataclass(slots=True)
class Reply:
    """A response: `body` is JSON unless it is bytes or None (no body)."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request, already authenticated if its route requires that."""

    method: str
    base: str
    prefix: str
    path: str
    params: dict[str, str]
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any
    access: Access = NOBODY
    version: Version = (0, 0)

    @property
    def root(self) -> str:
        """The service's own root URL, e.g. `http://127.0.0.1:20000/compute`."""
        return f"{self.base}/{self.prefix}"

    @property
    def project(self) -> str:
        """The project of the token; 403 if it has none."""
        if self.access.project_id is None:
            raise ApiError(403, "You are not authorized to perform the requested action: a project scope is needed.")
        return self.access.project_id

    def one(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        found = [value for key, value in self.query if key == name]
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        """Every value of a repeated query parameter."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter read as a boolean."""
        value = self.one(name)
        return default if value is None else truth(value)

    def number(self, name: str) -> int | None:
        """A query parameter read as a number of at least zero; 400 when it is not one."""
        value = self.one(name)
        if value is None or value == "":
            return None
        if not value.isdigit():
            raise ApiError(400, f"Invalid input for query parameter {name}. Value: {value}.")
        return int(value)

    def dictionary(self, key: str) -> dict[str, Any]:
        """The object under `key` of a JSON body; 400 when there is none."""
        value = self.body.get(key) if isinstance(self.body, dict) else None
        if not isinstance(value, dict):
            raise ApiError(400, f"Invalid input received: the body must be a JSON object holding '{key}'.")
        return value

    def need_member(self) -> None:
        """Raise 403 for callers who can only read."""
        if not self.access.roles & {"member", "admin", "service"}:
            raise ApiError(403, "You are not authorized to perform the requested action.", "Forbidden")

    def need_admin(self) -> None:
        """Raise 403 for callers who are not administrators."""
        if not self.access.admin:
            raise ApiError(403, "You are not authorized to perform the requested action.", "Forbidden")


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path of a service; `{name}` matches one path segment."""

    method: str
    template: str
    handler: Handler
    open: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        object.__setattr__(self, "pattern", re.compile(rf"{expression}/?\Z"))


def truth(value: Any) -> bool:
    """Parse a boolean as sent by clients in query strings and bodies."""
    return value is True or str(value).lower() in {"true", "1", "yes", "t", "on"}


def page(
    rows: Iterable[dict[str, Any]], call: Call, *, most: int = 1000, key: str = "id"
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a listing, by `limit` and `marker`.

    Returns:
        the rows of the page, and the URL of the next page or None.
    """
    listed = list(rows)
    marker = call.one("marker")
    if marker:
        at = next((number for number, row in enumerate(listed) if row[key] == marker), None)
        if at is None:
            raise ApiError(400, f"marker [{marker}] not found", "MarkerNotFound")
        listed = listed[at + 1 :]
    limit = call.number("limit")
    size = most if not limit else min(limit, most)
    if len(listed) <= size:
        return listed, None
    kept = listed[:size]
    again = [(name, value) for name, value in call.query if name != "marker"]
    return kept, f"{call.base}{call.path}?{urlencode([*again, ('marker', kept[-1][key])])}"
