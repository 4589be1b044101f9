"""HTTP client of the API for the command line. Every failure is reported in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx

if TYPE_CHECKING:
    from shared.cloud.user_session import UserSession

TIMEOUT = httpx.Timeout(60, connect=10)
_PAGE = 1000


class ApiError(Exception):
    """The API returned an error, or cannot be reached; in the latter case, `status` is 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Args:
    session: provides the token and the service catalogue.
    endpoint: URL of the API; overrides the catalogue.
    """

    def __init__(self, session: UserSession, endpoint: str | None = None) -> None:
        self._session = session
        self._client = httpx.Client(
            base_url=endpoint or session.endpoint(),
            timeout=TIMEOUT,
            verify=session.verify,
            headers={"OpenStack-API-Version": "container-infra latest", "Accept": "application/json"},
        )

    @property
    def endpoint(self) -> str:
        """URL of the API, without `/v1`."""
        return str(self._client.base_url)

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Call the API. Returns the decoded body, or None if it is empty.

        Raises:
            ApiError: with the error message of the API.
        """
        response = self._send(method, path, **arguments)
        if response.status_code == 401:
            self._session.invalidate()
            response = self._send(method, path, **arguments)
        if response.is_error:
            raise ApiError(_words(response), response.status_code)
        return response.json() if response.content else None

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-Auth-Token": self._session.token(), **arguments.pop("headers", {})}
        try:
            return self._client.request(method, path, headers=headers, **arguments)
        except httpx.HTTPError as error:
            raise ApiError(f"cannot reach {self._client.base_url}: {error or type(error).__name__}") from error

    def get(self, path: str, **parameters: Any) -> Any:
        return self.request("GET", path, params={k: v for k, v in parameters.items() if v is not None})

    def pages(self, path: str, name: str, *, at_most: int | None = None, **parameters: Any) -> list[dict[str, Any]]:
        """Read a list, page by page.

        Args:
            name: the list's name in the response, e.g. `clusters`.
            at_most: the number of items at which to stop; None for the whole list.
        """
        found: list[dict[str, Any]] = []
        while True:
            left = _PAGE if at_most is None else min(_PAGE, at_most - len(found))
            page = self.get(path, **{**parameters, "limit": left})
            found += page[name]
            if "next" not in page or not page[name] or (at_most is not None and len(found) >= at_most):
                return found[:at_most]
            # The link has the place of the next page, and not always the filters.
            parameters |= dict(parse_qsl(urlsplit(page["next"]).query))

    def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        return self.request("POST", path, json=body, params=parameters)

    def patch(self, path: str, body: Any = None) -> Any:
        return self.request("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def follow_events(self, after: str | None, **parameters: str | None) -> Iterator[dict[str, Any]]:
        """Yield server-sent events after a cursor until the API ends the stream."""
        query = {key: value for key, value in parameters.items() if value is not None}
        headers = {"X-Auth-Token": self._session.token(), "Accept": "text/event-stream"}
        if after:
            headers["Last-Event-ID"] = after
        try:
            with self._client.stream(
                "GET", "/v1/events/stream", params=query, headers=headers, timeout=httpx.Timeout(60, read=120)
            ) as response:
                if response.is_error:
                    response.read()
                    raise ApiError(_words(response), response.status_code)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield _decode(line.removeprefix("data:").strip())
        except httpx.HTTPError as error:
            raise ApiError(f"the event stream was interrupted: {error or type(error).__name__}") from error


def _decode(text: str) -> dict[str, Any]:
    decoded = json.loads(text)
    return decoded if isinstance(decoded, dict) else {}


def _words(response: httpx.Response) -> str:
    try:
        error = response.json()["errors"][0]
        return f"{error.get('detail') or error.get('title') or response.reason_phrase} (HTTP {response.status_code})"
    except (ValueError, KeyError, IndexError, TypeError):
        return f"HTTP {response.status_code}: {response.text[:200]}"
