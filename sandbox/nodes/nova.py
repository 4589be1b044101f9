"""Client of a real Nova for simulated nodes: the servers of clusters and their user data.

Rule: this uses plain HTTP with an administrator's password, because only `shared.cloud` may import the SDK. Every call
has a timeout, and a rejected token is renewed once.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from sandbox.openstack.hypervisor import Machine

MARK = "jeroboam_cluster"
# The lowest microversion that shows an administrator the user data.
MICROVERSION = {"X-OpenStack-Nova-API-Version": "2.3", "OpenStack-API-Version": "compute 2.3"}
PAGE = 500
MOST_PAGES = 1000
CALL_SECONDS = 60.0


class Nova:
    """An administrator's view of Nova.

    Args:
        environment: OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME or OS_PROJECT_ID, and as for other
            OpenStack clients the domains, OS_REGION_NAME, OS_INTERFACE and OS_CACERT.

    Raises:
        KeyError: a required variable is missing.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._auth_url = environment["OS_AUTH_URL"].rstrip("/")
        if not self._auth_url.endswith("/v3"):
            self._auth_url += "/v3"
        self._auth = _auth(environment)
        self._interface = environment.get("OS_INTERFACE", "public")
        self._region = environment.get("OS_REGION_NAME")
        tls = ssl.create_default_context(cafile=environment.get("OS_CACERT") or None)
        self._http = httpx.AsyncClient(timeout=CALL_SECONDS, trust_env=False, verify=tls)
        self._endpoint: str | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def machines(self) -> dict[str, Machine | None]:
        """All servers that are nodes of a cluster: ID -> machine if ACTIVE, None in other states.

        Raises:
            httpx.HTTPError: Keystone or Nova returned an error or is not available.
        """
        found: dict[str, Machine | None] = {}
        marker: str | None = None
        for _ in range(MOST_PAGES):
            query = {"all_tenants": "True", "limit": str(PAGE)} | ({"marker": marker} if marker else {})
            listed = (await self._get("/servers/detail", query))["servers"]
            for server in listed:
                if MARK in server.get("metadata", {}) and server.get("OS-EXT-STS:task_state") != "deleting":
                    found[server["id"]] = _machine(server) if server["status"] == "ACTIVE" else None
            if len(listed) < PAGE:
                break
            marker = listed[-1]["id"]
        return found

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        if self._endpoint is None:
            self._endpoint = await self._log_in()
        answer = await self._http.get(self._endpoint + path, params=query, headers=MICROVERSION)
        if answer.status_code == 401:
            self._endpoint = await self._log_in()
            answer = await self._http.get(self._endpoint + path, params=query, headers=MICROVERSION)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    async def _log_in(self) -> str:
        """Obtain a new token, and Nova's endpoint from the catalogue."""
        self._http.headers.pop("X-Auth-Token", None)
        answer = await self._http.post(f"{self._auth_url}/auth/tokens", json=self._auth)
        answer.raise_for_status()
        self._http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        for entry in answer.json()["token"]["catalog"]:
            for endpoint in entry["endpoints"] if entry["type"] == "compute" else ():
                if endpoint["interface"] == self._interface and self._region in (None, endpoint["region"]):
                    return str(endpoint["url"]).rstrip("/")
        raise httpx.UnsupportedProtocol("the catalogue has no compute endpoint")


def _auth(environment: Mapping[str, str]) -> dict[str, Any]:
    def domain(kind: str) -> dict[str, str]:
        by_id = environment.get(f"OS_{kind}_DOMAIN_ID")
        return {"id": by_id} if by_id else {"name": environment.get(f"OS_{kind}_DOMAIN_NAME", "Default")}

    user = {"name": environment["OS_USERNAME"], "password": environment["OS_PASSWORD"], "domain": domain("USER")}
    project: dict[str, Any] = {"id": environment.get("OS_PROJECT_ID")}
    if not project["id"]:
        project = {"name": environment["OS_PROJECT_NAME"], "domain": domain("PROJECT")}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }
    }


def _machine(server: dict[str, Any]) -> Machine:
    text = base64.b64decode(server.get("OS-EXT-SRV-ATTR:user_data") or "").decode(errors="replace")
    addresses = tuple(
        str(one["addr"])
        for network in server["addresses"].values()
        for one in network
        if one.get("OS-EXT-IPS:type", "fixed") == "fixed"
    )
    return Machine(server["id"], server["name"], text, addresses, dict(server["metadata"]))
