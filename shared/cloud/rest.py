"""Plain REST over the SDK's service proxies.

Rule: each query is one request. The SDK's resource layer needs several for some of them (a GET per stack of a list, a
lookup before each delete), so this uses the proxies' `get`, `post` etc. and parses JSON. The SDK handles
authentication, catalogue, version discovery and expired tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import requests

from shared.cloud.errors import check
from shared.domain.errors import NotFound, PermanentError, TemporaryError
from shared.telemetry.spans import annotate

if TYPE_CHECKING:
    from openstack.proxy import Proxy

MAX_PAGES = 200
PAGE = 500


def segment(value: str) -> str:
    """Escape `value`, which may be user input, as one segment of a path.

    Raises:
        NotFound: for the empty string, `.` and `..`, which the HTTP client would resolve to another path.
    """
    if value in {"", ".", ".."}:
        raise NotFound(f"{value!r} is not a valid name")
    return quote(value, safe="")


def looks_like_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def send(proxy: Proxy, method: str, path: str, *, doing: str, **kwargs: Any) -> requests.Response:
    """Send one request.

    Raises:
        JeroboamError: for every status of 400 or higher.
    """
    annotate("openstack.service", str(proxy.service_type))
    response = proxy.request(path, method, **kwargs)
    annotate("http.response.status_code", response.status_code)
    check(response.status_code, response.headers, response.text, doing=doing)
    return response


def call(proxy: Proxy, method: str, path: str, *, doing: str, **kwargs: Any) -> Any:
    """Send a request and parse the JSON of the response."""
    try:
        return send(proxy, method, path, doing=doing, **kwargs).json()
    except requests.exceptions.JSONDecodeError as error:
        # An error page of a proxy with a success status.
        raise TemporaryError(f"{doing}: the response is not JSON") from error


def get_or_none(proxy: Proxy, collection: str, name: str, *, doing: str) -> Any:
    """`GET <collection>/<name>`; None if it does not exist."""
    try:
        return call(proxy, "GET", f"{collection}/{segment(name)}", doing=doing)
    except NotFound:
        return None


def delete(proxy: Proxy, path: str, *, doing: str, **kwargs: Any) -> None:
    """DELETE; succeeds if the resource no longer exists."""
    try:
        send(proxy, "DELETE", path, doing=doing, **kwargs)
    except NotFound:
        return


def pages(
    proxy: Proxy,
    path: str,
    key: str,
    *,
    doing: str,
    params: Mapping[str, Any] | None = None,
    marker: str = "id",
) -> Iterator[dict[str, Any]]:
    """Yield all items of a paged list.

    Args:
        key: key of the items in the response, e.g. `servers`.
        marker: field of the last item that is the marker of the next page.

    A service can return smaller pages than requested, so the end is an empty page or one without a next link.
    """
    query: dict[str, Any] = {**(params or {}), "limit": PAGE}
    for _ in range(MAX_PAGES):
        answer = call(proxy, "GET", path, doing=doing, params=query)
        items: list[dict[str, Any]] = answer.get(key) or []
        yield from items
        links = answer.get(f"{key}_links") or answer.get("links") or []
        more = len(items) >= PAGE or answer.get("next") or any(link.get("rel") == "next" for link in links)
        if not items or not more:
            return
        query["marker"] = items[-1][marker]
    raise PermanentError(f"{doing}: more than {MAX_PAGES * PAGE} items")


def only(items: list[dict[str, Any]], *, kind: str, name: str) -> dict[str, Any] | None:
    """Return the single item with a name, or None.

    Raises:
        PermanentError: if several items have the name; the user must specify the ID.
    """
    if len(items) > 1:
        raise PermanentError(f"{len(items)} {kind}s are named {name!r}: specify the ID instead")
    return items[0] if items else None
