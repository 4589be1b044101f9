"""Lists that are longer than a page, and messages that are not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cli import demo
from cli.api import Api, ApiError
from cli.output import few


class Session:
    """A user's session without a cloud."""

    verify = False

    def token(self) -> str:
        return "t"

    def endpoint(self) -> str:
        return "http://api"

    def invalidate(self) -> None: ...


class Server:
    """An API with `total` things, of which a page holds at most 10; it keeps what it was asked."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.asked.append(query)
        limit = min(10, int(query["limit"]))
        first = int(query.get("after", 0))
        things = [{"sequence": number} for number in range(first + 1, min(self.total, first + limit) + 1)]
        body: dict[str, Any] = {"things": things}
        if len(things) == limit:
            body["next"] = f"http://api/v1/things?after={first + limit}&limit={limit}"
        return httpx.Response(200, json=body)


def api_of(server: Server) -> Api:
    api = Api(Session())  # type: ignore[arg-type]
    api._client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(server))
    return api


@pytest.mark.parametrize(("total", "calls"), [(0, 1), (9, 1), (10, 2), (25, 3)])
def test_a_list_is_read_to_its_end(total: int, calls: int) -> None:
    server = Server(total)
    found = api_of(server).pages("/v1/things", "things", cluster="c", after=None)
    assert [thing["sequence"] for thing in found] == list(range(1, total + 1))
    assert len(server.asked) == calls
    assert {query.get("cluster") for query in server.asked} == {"c"}


@pytest.mark.parametrize("most", [1, 10, 12, 40])
def test_a_list_is_read_as_far_as_asked(most: int) -> None:
    assert len(api_of(Server(25)).pages("/v1/things", "things", at_most=most)) == min(most, 25)


def test_a_long_list_is_shown_by_its_beginning() -> None:
    assert few([]) == ""
    assert few([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert few(range(1, 1001)) == "1, 2, 3, 4, 5 and 995 more"


def test_the_demo_tells_a_gap_by_what_is_missing() -> None:
    events = [
        {"sequence": str(number), "type": "io.jeroboam.node.joined.v1", "time": "2026-01-01T00:00:00+00:00"}
        for number in [*range(1, 100), *range(1100, 2000)]
    ]
    with pytest.raises(ApiError) as raised:
        demo._show_timeline(events)
    assert str(raised.value) == "the cluster's event sequence has gaps: 100, 101, 102, 103, 104 and 995 more"
