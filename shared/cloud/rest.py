"""Plain REST over the SDK's service proxies.

Rule: one question, one request. The SDK's resource layer turns some of our questions into several (a GET per stack of
a list, a lookup before each delete), so the adapter asks through the proxies' own `get`/`post`/... and reads JSON;
authentication, catalogue, version discovery and retries of an expired token stay the SDK's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

import requests
from openstack.proxy import Proxy

from shared.cloud.errors import check
from shared.domain.errors import NotFound, PermanentError, TemporaryError

MAX_PAGES = 200
PAGE = 500


def segment(value: str) -> str:
    """`value` as one segment of a path, whatever a user put into it.

    Raises:
        NotFound: for the empty string, `.` and `..`: the HTTP client would resolve them to another path.
    """
    if value in {"", ".", ".."}:
        raise NotFound(f"nothing can be named {value!r}")
    return quote(value, safe="")


def looks_like_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def send(proxy: Proxy, method: str, path: str, *, doing: str, **kwargs: Any) -> requests.Response:
    """One request.

    Raises:
        JeroboamError: for every status from 400 on.
    """
    response = proxy.request(path, method, **kwargs)
    check(response.status_code, response.headers, response.text, doing=doing)
    return response


def call(proxy: Proxy, method: str, path: str, *, doing: str, **kwargs: Any) -> Any:
    """As `send`, for answers that are JSON."""
    try:
        return send(proxy, method, path, doing=doing, **kwargs).json()
    except requests.exceptions.JSONDecodeError as error:
        # A proxy's error page with a status that says success.
        raise TemporaryError(f"{doing}: the answer is not JSON") from error


def get_or_none(proxy: Proxy, collection: str, name: str, *, doing: str) -> Any:
    """`GET <collection>/<name>`; None where the thing is not there, or cannot be."""
    try:
        return call(proxy, "GET", f"{collection}/{segment(name)}", doing=doing)
    except NotFound:
        return None


def delete(proxy: Proxy, path: str, *, doing: str, **kwargs: Any) -> None:
    """DELETE; a thing that is gone already is a success."""
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
    """Every item of a paged list, however the service pages.

    Args:
        key: where the answer holds its items, e.g. `servers`.
        marker: which field of the last item asks for the next page.

    A service may cap a page below what we ask for, so the end is an empty page or one without a next link.
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
    """The one item a name stands for, or None.

    Raises:
        PermanentError: when the name stands for several; the user must give the id.
    """
    if len(items) > 1:
        raise PermanentError(f"{len(items)} {kind}s are named {name!r}: give the id instead")
    return items[0] if items else None
