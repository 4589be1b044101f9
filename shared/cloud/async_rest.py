"""Asynchronous GET requests to OpenStack's services, for queries that a request of the API waits for.

Rule: one client, with persistent connections, serves all users; no thread is used and no version document is read.
Every request has a timeout and raises only `shared.domain.errors`. openstacksdk (`rest.py`) is for long operations.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from keystoneauth1.access import AccessInfoV3

from shared.cloud.errors import check, from_exception
from shared.cloud.rest import MAX_PAGES, PAGE, segment
from shared.cloud.settings import CloudSettings
from shared.domain.errors import NotFound, PermanentError, TemporaryError
from shared.telemetry.metrics import CLOUD_QUERIES
from shared.telemetry.spans import Kind, span

CONNECTIONS = 64
IDLE_SECONDS = 30.0
# The version that is used of each service. A catalogue may list an endpoint with or without it.
VERSIONS = {"compute": "v2.1", "network": "v2.0", "image": "v2"}
_VERSION = re.compile(r"v\d+(\.\d+)?")
# A service may close an idle connection at the moment when it is used again; GET requests can be repeated.
_DROPPED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


def make_client(
    settings: CloudSettings, *, transport: httpx.AsyncBaseTransport | None = None, redirects: bool = False
) -> httpx.AsyncClient:
    """A client with the timeouts and CA certificates of the settings. Needs no running event loop."""
    verify: ssl.SSLContext | bool = not settings.insecure
    if settings.cacert and not settings.insecure:
        verify = ssl.create_default_context(cafile=settings.cacert)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(settings.call_timeout, connect=settings.connect_timeout),
        limits=httpx.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_SECONDS
        ),
        headers={"User-Agent": "jeroboam"},
        verify=verify,
        trust_env=False,
        follow_redirects=redirects,
        max_redirects=5,
        transport=transport,
    )


def versioned(url: str, version: str) -> str:
    """The endpoint of a catalogue, with the version of the API if it names none."""
    plain = url.rstrip("/")
    named = any(_VERSION.fullmatch(part) for part in urlsplit(plain).path.split("/"))
    return plain if named else f"{plain}/{version}"


@dataclass(frozen=True, slots=True)
class Service:
    """One service, used with one token.

    Args:
        name: its type in the catalogue.
        url: the endpoint, with a version.
        timeout: seconds for one query, with all its pages.
    """

    name: str
    http: httpx.AsyncClient
    url: str
    token: str
    timeout: float

    async def get(
        self,
        path: str,
        *,
        doing: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The parsed JSON of `GET <endpoint><path>`.

        Args:
            headers: of the request, besides the token; such as a microversion.

        Raises:
            JeroboamError: see `shared.cloud.errors`.
        """
        async with self._limited(doing):
            return await self._get(path, doing, params, headers)

    async def get_or_none(
        self, collection: str, name: str, *, doing: str, headers: Mapping[str, str] | None = None
    ) -> Any:
        """`GET <collection>/<name>`; None if it does not exist."""
        try:
            return await self.get(f"{collection}/{segment(name)}", doing=doing, headers=headers)
        except NotFound:
            return None

    async def pages(
        self,
        path: str,
        key: str,
        *,
        doing: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """All items of a paged list; see `rest.pages`."""
        query: dict[str, Any] = {**(params or {}), "limit": PAGE}
        found: list[dict[str, Any]] = []
        async with self._limited(doing):
            for _ in range(MAX_PAGES):
                answer = await self._get(path, doing, query, headers)
                items: list[dict[str, Any]] = answer.get(key) or []
                found += items
                links = answer.get(f"{key}_links") or answer.get("links") or []
                more = len(items) >= PAGE or answer.get("next") or any(link.get("rel") == "next" for link in links)
                if not items or not more:
                    return found
                query["marker"] = items[-1]["id"]
        raise PermanentError(f"{doing}: more than {MAX_PAGES * PAGE} items")

    async def _get(
        self, path: str, doing: str, params: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> Any:
        response = await self._send(path, doing, params, headers or {})
        check(response.status_code, response.headers, response.text, doing=doing)
        try:
            return response.json()
        except ValueError as error:
            # An error page of a proxy with a success status.
            raise TemporaryError(f"{doing}: the response is not JSON") from error

    async def _send(
        self, path: str, doing: str, params: Mapping[str, Any] | None, more: Mapping[str, str]
    ) -> httpx.Response:
        headers = {"X-Auth-Token": self.token, "Accept": "application/json", **more}
        for again in (True, False):
            CLOUD_QUERIES.labels(self.name).inc()
            try:
                return await self.http.get(self.url + path, params=params, headers=headers)
            except httpx.HTTPError as error:
                if again and isinstance(error, _DROPPED):
                    continue
                raise from_exception(error, doing=doing) or TemporaryError(f"{doing}: {error}") from error
        raise AssertionError("the loop returns or raises")

    @asynccontextmanager
    async def _limited(self, doing: str) -> AsyncIterator[None]:
        call = " ".join(doing.split()[:2])
        try:
            with span(call, Kind.CLIENT, {"openstack.call": call, "openstack.service": self.name}):
                async with asyncio.timeout(self.timeout):
                    yield
        except TimeoutError as error:
            raise TemporaryError(f"{doing}: no answer within {self.timeout:g} s") from error


class Services:
    """The services of a cloud. One instance per process.

    Args:
        transport: for tests; None uses the network.
    """

    def __init__(self, settings: CloudSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._http = make_client(settings, transport=transport, redirects=True)

    def of(self, access: AccessInfoV3, service_type: str, *, doing: str) -> Service:
        """A service of the catalogue that came with a token.

        Raises:
            PermanentError: the catalogue does not contain the service, in the region and with the interface of the
                settings.
        """
        settings = self._settings
        try:
            url = access.service_catalog.url_for(
                service_type=service_type, interface=settings.interface, region_name=settings.region
            )
        except Exception as error:
            raise from_exception(error, doing=doing) or error from error
        if not url:
            raise PermanentError(f"{doing}: the service catalogue has no URL of the service {service_type}")
        endpoint = versioned(url, VERSIONS[service_type])
        return Service(service_type, self._http, endpoint, str(access.auth_token), settings.call_timeout)

    async def close(self) -> None:
        await self._http.aclose()
