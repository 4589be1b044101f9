"""The caller of a request, its project and the API version.

Rule: the identity middleware creates the context once per request, and it is read-only afterwards. It contains the
caller's token, because some calls to the cloud need it, and is therefore never logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from services.api.wire.microversion import Microversion

KEY = "jeroboam.context"


@dataclass(slots=True)
class RequestContext:
    """The caller of one request.

    Args:
        project_id: "" only for an administrator without a project scope.
        all_projects: whether the caller is an administrator, who sees the resources of all projects, as in Magnum.
    """

    request_id: str
    user_id: str
    user_name: str
    project_id: str
    roles: tuple[str, ...]
    token: str = field(repr=False)
    all_projects: bool
    version: Microversion

    @property
    def scope_project(self) -> str | None:
        """The project that reads are limited to; None for all."""
        return None if self.all_projects else self.project_id


def context_of(request: Request) -> RequestContext:
    """The caller of a request that passed the identity middleware."""
    context: RequestContext = request.scope[KEY]
    return context
