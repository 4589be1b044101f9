"""An asynchronous client of Keystone, as the service user, for the calls that every process makes.

Rule: these calls are part of every API request (tokens) or of the first use of a project (roles), so they use no
thread. One service token is kept and renewed when Keystone rejects it; concurrent callers share one renewal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from shared.cloud.async_rest import make_client
from shared.cloud.errors import Forbidden, LastingConflict, Unauthorized, check, from_exception
from shared.cloud.rest import segment
from shared.cloud.settings import CloudSettings
from shared.domain.errors import NotFound, PermanentError, TemporaryError


class Keystone:
    """One instance per process. The constructor needs no running event loop.

    Args:
        transport: for tests; None uses the network.
    """

    def __init__(self, settings: CloudSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._http = make_client(settings, transport=transport)
        self._token: str | None = None
        self._user_id = ""
        self._renewal = asyncio.Lock()
        self._role_ids: dict[str, str] = {}

    async def login(self) -> None:
        """Obtain a service token (readiness check).

        Raises:
            TemporaryError: Keystone is not available. PermanentError: it rejects the credentials.
        """
        await self._renew(self._token)

    async def validate(self, token: str) -> dict[str, Any] | None:
        """Keystone's response for a token, including the catalogue; None if the token is invalid."""
        try:
            response = await self._request("GET", "/auth/tokens", "validate a token", subject=token)
        except NotFound:
            return None
        answer = response.json()
        return answer if isinstance(answer, dict) and isinstance(answer.get("token"), dict) else None

    async def project_exists(self, project_id: str) -> bool:
        try:
            path = f"/projects/{segment(project_id)}"
            answer = (await self._request("GET", path, f"show project {project_id}")).json()
        except NotFound:
            return False
        return bool(answer["project"].get("enabled", True))

    async def assign_roles(self, project_id: str) -> None:
        """Assign the configured roles in a project to the service user. Idempotent.

        Raises:
            NotFound: the project or a role does not exist.
        """
        if not self._user_id:
            await self._renew(None)
        doing = f"assign roles to the service user in project {project_id}"
        for role in self._settings.service_roles:
            role_id = await self._role_id(role)
            path = f"/projects/{segment(project_id)}/users/{segment(self._user_id)}/roles/{role_id}"
            try:
                await self._request("PUT", path, doing)
            except LastingConflict:
                continue  # another process assigned it concurrently

    async def close(self) -> None:
        await self._http.aclose()

    async def _role_id(self, name: str) -> str:
        if name not in self._role_ids:
            answer = await self._request("GET", "/roles", f"find role {name}", params={"name": name})
            found = answer.json()["roles"]
            if not found:
                raise PermanentError(f"Keystone has no role named {name!r}")
            self._role_ids[name] = str(found[0]["id"])
        return self._role_ids[name]

    async def _request(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        subject: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        token = self._token or await self._renew(None)
        for renewed in (False, True):
            headers = {"X-Auth-Token": token, **({"X-Subject-Token": subject} if subject else {})}
            try:
                response = await self._send(method, path, doing, headers=headers, params=params)
            except Unauthorized as error:
                if renewed:
                    raise TemporaryError(str(error)) from error
                token = await self._renew(token)
                continue
            except Forbidden as error:
                raise PermanentError(f"{error}; the service user needs the role admin") from error
            return response
        raise AssertionError("the loop returns or raises")

    async def _renew(self, refused: str | None) -> str:
        """Obtain a new service token, unless another caller replaced `refused` in the meantime."""
        async with self._renewal:
            if self._token is not None and self._token != refused:
                return self._token
            # Discarded first, so that a rejected token is not used again if Keystone fails now.
            self._token = None
            s = self._settings
            body = {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": s.username,
                                "domain": {"name": s.user_domain_name},
                                "password": s.password.get_secret_value(),
                            }
                        },
                    },
                    "scope": {
                        "project": {"name": s.project_name, "domain": {"name": s.project_domain_name}},
                    },
                }
            }
            try:
                answer = await self._send("POST", "/auth/tokens", "obtain a service token", json=body)
            except Unauthorized as error:
                raise PermanentError(f"Keystone rejects the service user {s.username!r}: {error}") from error
            self._user_id = str(answer.json()["token"]["user"]["id"])
            self._token = answer.headers["X-Subject-Token"]
            return self._token

    async def _send(self, method: str, path: str, doing: str, **kwargs: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(self._settings.call_timeout):
                response = await self._http.request(method, self._settings.auth_url + path, **kwargs)
        except (httpx.HTTPError, TimeoutError) as error:
            raise from_exception(error, doing=doing) or error from error
        check(response.status_code, response.headers, response.text, doing=doing)
        return response
