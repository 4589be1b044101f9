"""Who asks, for which project, in which version of the API.

Rule: made once per request by the identity middleware and only read afterwards. It holds the caller's token, because
some questions to the cloud must be asked with it, so it is never logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from services.api.wire.microversion import Microversion

KEY = "jeroboam.context"


@dataclass(slots=True)
class RequestContext:
    """One request's caller.

    Args:
        project_id: "" only for an administrator without a project scope.
        all_projects: an administrator sees every project's things, as in Magnum.
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
        """The project reads are limited to; None for all."""
        return None if self.all_projects else self.project_id


def context_of(request: Request) -> RequestContext:
    """The caller of a request that passed the identity middleware."""
    context: RequestContext = request.scope[KEY]
    return context
