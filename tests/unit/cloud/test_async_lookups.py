"""The asynchronous queries: which requests they send, with which settings, and what errors become."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from keystoneauth1.access import AccessInfoV3
from pydantic import SecretStr

from shared.cloud.async_rest import Services, make_client, versioned
from shared.cloud.errors import Forbidden, Unauthorized
from shared.cloud.lookups import Lookups
from shared.cloud.settings import CloudSettings
from shared.cloud.types import Flavor
from shared.domain.errors import JeroboamError, PermanentError, TemporaryError

SETTINGS = CloudSettings(auth_url="http://keystone.test", username="u", password=SecretStr("p"), call_timeout=5)
FLAVORS = [
    {"id": "1", "name": "small", "vcpus": 1, "ram": 512, "disk": 1},
    {"id": "2", "name": "big", "vcpus": 8, "ram": 8192, "disk": 80},
    {"id": "3", "name": "twice", "vcpus": 8, "ram": 8192, "disk": 80},
    {"id": "4", "name": "twice", "vcpus": 8, "ram": 8192, "disk": 80},
    {"id": "5", "name": "2", "vcpus": 8, "ram": 8192, "disk": 80},
]


def entry(service: str, *endpoints: tuple[str, str, str]) -> dict[str, Any]:
    listed = [
        {"id": f"{region}{interface}", "interface": interface, "region": region, "region_id": region, "url": url}
        for region, interface, url in endpoints
    ]
    return {"id": service, "type": service, "name": service, "endpoints": listed}


CATALOG = [
    entry(
        "compute",
        ("one", "public", "http://nova.one/v2.1"),
        ("one", "internal", "http://nova.inside/compute/v2.1/"),
        ("two", "public", "http://nova.two"),
    ),
    entry("network", ("one", "public", "http://neutron.one/")),
    entry("image", ("one", "public", "http://glance.one/image")),
]


class Wire:
    """Answers requests; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = self.flavors

    def flavors(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/flavors/detail"):
            return httpx.Response(200, json={"flavors": FLAVORS})
        return httpx.Response(404, json={"itemNotFound": {"message": "no"}})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.asked]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def make(wire: Wire) -> AsyncIterator[Callable[..., Lookups]]:
    made: list[Services] = []

    def make(catalog: list[dict[str, Any]] = CATALOG, **settings: Any) -> Lookups:
        transport = httpx.MockTransport(wire)
        made.append(Services(SETTINGS.model_copy(update=settings), transport=transport))

        async def access(_doing: str) -> AccessInfoV3:
            body = {"token": {"catalog": catalog, "project": {"id": "p"}, "user": {"id": "u"}}}
            return AccessInfoV3(body=body, auth_token="token")

        return Lookups("p", made[-1], access)

    yield make
    for each in made:
        await each.close()


async def test_two_flavors_at_once_are_one_request(make: Any, wire: Wire) -> None:
    lookups = make()
    small, big = await asyncio.gather(lookups.find_flavor("small"), lookups.find_flavor("2"))
    assert (small, big) == (Flavor("1", "small", 1, 512, 1), Flavor("2", "big", 8, 8192, 80))
    assert wire.urls == ["http://nova.one/v2.1/flavors/detail?limit=500"]
    assert wire.asked[0].headers["X-Auth-Token"] == "token"
    # Not kept: what is asked later is asked again.
    await lookups.find_flavor("small")
    assert len(wire.asked) == 2


async def test_an_ambiguous_flavor_is_an_error_and_an_unlisted_one_is_asked_for_by_id(make: Any, wire: Wire) -> None:
    lookups = make()
    with pytest.raises(PermanentError, match="2 flavors are named 'twice': specify the ID instead"):
        await lookups.find_flavor("twice")
    assert await lookups.find_flavor("a/b") is None
    assert wire.urls[-1] == "http://nova.one/v2.1/flavors/a%2Fb"
    private = {"id": "x", "name": "private", "vcpus": 1, "ram": 1, "disk": 1}
    wire.answer = lambda request: httpx.Response(
        200, json={"flavors": []} if "detail" in str(request.url) else {"flavor": private}
    )
    assert await lookups.find_flavor("x") == Flavor("x", "private", 1, 1, 1)


async def test_a_cancelled_caller_does_not_cancel_the_other(make: Any, wire: Wire) -> None:
    release = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await release.wait()
        return wire(request)

    lookups = make()
    lookups._services._http._transport = httpx.MockTransport(slow)
    first = asyncio.create_task(lookups.find_flavor("small"))
    second = asyncio.create_task(lookups.find_flavor("big"))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await second == Flavor("2", "big", 8, 8192, 80)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"region": "two"}, "http://nova.two/v2.1/limits"),
        ({"region": "one", "interface": "internal"}, "http://nova.inside/compute/v2.1/limits"),
        ({"region": "one"}, "http://nova.one/v2.1/limits"),
    ],
)
async def test_region_and_interface_choose_the_endpoint(
    make: Any, wire: Wire, settings: dict[str, str], url: str
) -> None:
    wire.answer = lambda request: httpx.Response(200, json={"limits": {"absolute": {}}, "quota": {}})
    everywhere = entry(
        "network", ("one", "internal", "http://n"), ("one", "public", "http://n"), ("two", "public", "http://n")
    )
    await make([CATALOG[0], everywhere], **settings).quotas()
    assert url in wire.urls


@pytest.mark.parametrize("settings", [{"region": "three"}, {"interface": "admin"}])
async def test_a_service_that_is_not_in_the_catalogue(make: Any, settings: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="list flavors: the service catalogue does not contain this service"):
        await make(**settings).find_flavor("small")


@pytest.mark.parametrize(
    ("url", "version", "expected"),
    [
        ("http://n:9696", "v2.0", "http://n:9696/v2.0"),
        ("http://n:9696/", "v2.0", "http://n:9696/v2.0"),
        ("http://n/networking/v2.0/", "v2.0", "http://n/networking/v2.0"),
        ("http://n/v2.1/0123456789abcdef", "v2.1", "http://n/v2.1/0123456789abcdef"),
        ("http://v2.example.org/image", "v2", "http://v2.example.org/image/v2"),
    ],
)
def test_versions_of_endpoints(url: str, version: str, expected: str) -> None:
    assert versioned(url, version) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Forbidden),
        (400, PermanentError),
        (429, TemporaryError),
        (500, TemporaryError),
        (503, TemporaryError),
    ],
)
async def test_errors_of_services(make: Any, wire: Wire, status: int, kind: type[JeroboamError]) -> None:
    body = {"computeFault": {"message": "because", "code": status}}
    wire.answer = lambda request: httpx.Response(status, json=body, headers={"Retry-After": "7"})
    with pytest.raises(kind, match=rf"because \(HTTP {status}\)") as caught:
        await make().find_keypair("key")
    if isinstance(caught.value, TemporaryError):
        assert caught.value.delay == 7


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.PoolTimeout("")])
async def test_a_service_that_does_not_answer_is_temporary(make: Any, wire: Wire, error: httpx.HTTPError) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    wire.answer = fail
    with pytest.raises(TemporaryError, match="find image x"):
        await make().find_image("x")
    assert len(wire.asked) == 1


async def test_a_connection_that_was_closed_while_idle_is_tried_once_more(make: Any, wire: Wire) -> None:
    def dropped(request: httpx.Request) -> httpx.Response:
        if len(wire.asked) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return wire.flavors(request)

    wire.answer = dropped
    assert await make().find_flavor("small") is not None

    def always(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("Server disconnected")

    wire.answer = always
    wire.asked.clear()
    with pytest.raises(TemporaryError, match="Server disconnected"):
        await make().find_flavor("small")
    assert len(wire.asked) == 2


async def test_a_query_that_takes_too_long_is_temporary(make: Any) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    lookups = make(call_timeout=0.01)
    lookups._services._http._transport = httpx.MockTransport(never)
    with pytest.raises(TemporaryError, match=r"list external networks: no answer within 0\.01 s"):
        await lookups.list_external_networks()


async def test_a_page_of_a_proxy_is_no_answer(make: Any, wire: Wire) -> None:
    wire.answer = lambda request: httpx.Response(200, text="<html>welcome</html>")
    with pytest.raises(TemporaryError, match="the response is not JSON"):
        await make().find_subnet("x")


async def test_lists_are_read_to_their_end(make: Any, wire: Wire) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "marker" not in request.url.params:
            link = {"rel": "next", "href": "http://nova.one/next"}
            return httpx.Response(200, json={"flavors": FLAVORS[:1], "flavors_links": [link]})
        assert request.url.params["marker"] == "1"
        return httpx.Response(200, json={"flavors": FLAVORS[1:2]})

    wire.answer = answer
    assert await make().find_flavor("big") == Flavor("2", "big", 8, 8192, 80)
    assert len(wire.asked) == 2


async def test_the_cas_of_the_settings_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[str | None] = []
    plain = ssl.create_default_context

    def create(*, cafile: str | None = None) -> ssl.SSLContext:
        files.append(cafile)
        return plain()

    monkeypatch.setattr(ssl, "create_default_context", create)
    await make_client(SETTINGS.model_copy(update={"cacert": "/ca.pem"})).aclose()
    assert files == ["/ca.pem"]
