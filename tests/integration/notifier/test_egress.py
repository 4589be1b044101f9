"""Where requests for webhooks go: 129 forms of forbidden addresses, counted where the kernel is asked to connect.

Rule: nothing is replaced on the way from the URL to the socket except name servers. An audit hook of the interpreter
sees every connect and every datagram of this process.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.notifier.egress import Egress, Unreachable, own_broadcasts
from services.notifier.sender import Attempt, Sender
from shared.cloud.settings import CloudSettings
from shared.pki.sealing import new_key
from shared.settings import MagnumNotificationSettings, Settings, WebhookSettings
from shared.webhooks.targets import Forbidden, TargetPolicy
from tests.support.certificates import make_authority, make_certificate
from tests.support.hooks import listening, response

_packets: list[Any] = []
_counting = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _counting and event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        _packets.append(arguments[1])


sys.addaudithook(_hook)


@pytest.fixture
def packets() -> Iterator[list[Any]]:
    """Destinations of everything that this process sends during a test."""
    global _counting
    _packets.clear()
    _counting = True
    yield _packets
    _counting = False


POLICY = TargetPolicy(
    allow_http=True,
    ports=[range(443, 444), range(8443, 8444)],
    own_broadcasts=frozenset({ip_address("8.8.4.255")}),
    own_names=frozenset({"jeroboam.example.org", "keystone.example.org", "db.example.org"}),
    own_addresses=frozenset({(ip_address("9.9.9.9"), 443)}),
)
NAMES: dict[str, Sequence[str]] = {
    "private.example.com": ["10.0.0.1"],
    "mixed.example.com": ["8.8.8.8", "10.0.0.1"],
    "mapped.example.com": ["::ffff:10.0.0.1"],
    "alias.example.com": ["127.0.0.1", "::1"],
    "many.example.com": [f"8.8.{n}.8" for n in range(40)],
    "zone.example.com": ["fe80::1%eth0"],
    "public.example.com": ["8.8.8.8"],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "foo.localhost": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
    "jeroboam.example.org": ["8.8.8.8"],
    "keystone.example.org": ["8.8.8.8"],
    "db.example.org": ["8.8.8.8"],
}


def plain(*hosts: str) -> list[str]:
    return [f"http://{host}/" for host in hosts]


REFUSED = [
    # 1-7: the local host
    *plain("127.0.0.1", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "foo.localhost", "ip6-localhost"),
    # 8-16: other notations of 127.0.0.1
    *plain("2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1"),
    *plain("127.000.000.001"),
    # 17-27
    *plain("0xa9fea9fe", "0251.0376.0251.0376", "2852039166", "1.1", "4294967296", "127.0.0.1.", "8.8.8.8."),
    *plain("0", "0.0.0.0", "0.1.2.3", "[::]"),
    # 28-31, 38-40
    *plain("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *plain("100.64.0.1", "100.127.255.255", "100.100.100.200"),
    # 41-47: metadata services
    *plain("169.254.0.1", "169.254.169.254", "169.254.170.2", "192.0.0.192", "168.63.129.16", "[fd00:ec2::254]"),
    *plain("metadata.google.internal"),
    # 48-59: special purposes, multicast, broadcast
    *plain("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *plain("224.0.0.1", "239.255.255.250", "[ff02::1]", "240.0.0.1", "255.255.255.255", "8.8.4.255"),
    # 60-67: IPv6 notations of IPv4 addresses
    *plain("[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]"),
    *plain("[0:0:0:0:0:ffff:10.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]"),
    # 68-77: NAT64, 6to4, Teredo, link-local, zones, ISATAP
    *plain("[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]"),
    *plain("[2002:a9fe:a9fe::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]"),
    *plain("[fe80::5efe:7f00:1]", "[2a00::5efe:7f00:1]"),
    # 78-83
    *plain("[fec0::1]", "[fc00::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]"),
    # 84-89: characters that some parsers fold
    *plain("127\u30020\u30020\u30021", "127.0.0\uff0e1", "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1"),
    *plain("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "loc\u00adalhost"),
    # 90-101: user information, other delimiters, control characters
    *plain("user:pw@10.0.0.1", "8.8.8.8@127.0.0.1", "8.8.8.8:80@127.0.0.1", "user:pw@example.com"),
    "http://127.0.0.1#@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://127.0.0.1%2f@8.8.8.8/",
    "http://127.0.0.1\t/",
    "http://\t127.0.0.1/",
    "http://\n127.0.0.1/",
    *plain("%31%32%37.0.0.1", "127.0.0.1%00.example.com"),
    " http://127.0.0.1/",
    "http://127.0.0.1/ ",
    # 102-111: no host, no scheme, broken brackets, other schemes
    *("http:127.0.0.1/", "http:///127.0.0.1/", "http:\\\\127.0.0.1/", "//127.0.0.1/", "http://[::1/"),
    "http://[v1.fe80::a]/",
    *("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "unix:/run/x.sock"),
    # 114-117: ports
    *("http://8.8.8.8:0/", "http://8.8.8.8:70000/", "http://8.8.8.8:80:80/", "http://8.8.8.8:25/"),
    *("http://8.8.8.8:22/", "http://8.8.8.8:6379/"),
    # 119-124: what name servers answer
    *plain("private.example.com", "mixed.example.com", "mapped.example.com", "alias.example.com", "many.example.com"),
    *plain("zone.example.com"),
    # 128, 129: hosts of the installation
    *("https://jeroboam.example.org/", "https://KEYSTONE.example.org/", "https://db.example.org/"),
    "https://9.9.9.9/",
]
ALLOWED = {
    **{
        f"http://{host}/": host for host in ("172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "8.8.8.8")
    },
    "http://[2001:4860:4860::8888]/": "2001:4860:4860::8888",
    "HTTPS://8.8.8.8/": "8.8.8.8",
    "https://8.8.8.8:8443/x": "8.8.8.8",
    "https://public.example.com/": "8.8.8.8",
    "https://[::ffff:8.8.8.8]/": "::ffff:808:808",
}


async def resolve(host: str, _port: int) -> list[str]:
    if host not in NAMES:
        raise OSError(-2, "Name or service not known")
    return list(NAMES[host])


async def attempt(url: str, policy: TargetPolicy = POLICY, **options: Any) -> Attempt:
    egress = Egress(policy, resolve=options.pop("resolve", resolve), **options)
    sender = Sender(egress, timeout_seconds=3)
    try:
        return await sender.send(url, [b"k"], message_id="m", content_type="application/json", body=b"{}")
    finally:
        sender.close_idle(every=True)
        egress.close()


@pytest.mark.parametrize("url", REFUSED, ids=ascii)
async def test_nothing_is_sent_to_a_forbidden_place(url: str, packets: list[Any]) -> None:
    done = await attempt(url)
    assert (done.kind, done.status, done.response_body) == ("refused", None, "")
    assert packets == []


@pytest.mark.parametrize(("url", "address"), ALLOWED.items())
async def test_public_addresses_are_allowed(url: str, address: str, packets: list[Any]) -> None:
    egress = Egress(POLICY, resolve=resolve)
    assert await egress.addresses(POLICY.parse(url)) == [ip_address(address)]
    egress.close()
    assert packets == []


@pytest.mark.parametrize("url", [url for url in ALLOWED if url.startswith("http://")])
async def test_https_is_required_by_default(url: str) -> None:
    """112."""
    with pytest.raises(Forbidden, match="must use https"):
        replace(POLICY, allow_http=False).parse(url)


async def test_a_name_without_an_address_is_retried(packets: list[Any]) -> None:
    """125."""
    done = await attempt("https://nowhere.example.com/")
    assert (done.kind, done.error) == (
        "unreachable",
        "nowhere.example.com cannot be resolved: Name or service not known",
    )

    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    assert (await attempt("https://slow.example.com/", resolve=never)).kind == "timeout"
    assert packets == []


def loopback(*networks: str) -> TargetPolicy:
    return TargetPolicy(
        allow_http=True, ports=[range(1024, 65536)], allowed_networks=[ip_network(each) for each in networks]
    )


async def test_a_name_that_changes_its_mind(packets: list[Any]) -> None:
    """123: the second answer of a name server is never asked for."""
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])

    async def changing(_host: str, _port: int) -> list[str]:
        return next(answers)

    async with listening(host="127.0.0.2") as receiver:
        done = await attempt(f"http://rebind.example.com:{receiver.port}/", loopback("127.0.0.2/32"), resolve=changing)
        assert done.status == 204
        assert next(answers) == ["127.0.0.1"]
    assert packets == [("127.0.0.2", receiver.port)]


async def test_the_gate_is_where_the_socket_is_made(packets: list[Any]) -> None:
    """Even if the check before it is skipped, no socket is made for a forbidden address."""
    egress = Egress(POLICY)
    target = POLICY.parse("https://public.example.com/")
    with pytest.raises(Forbidden):
        await egress._connected(target, ip_address("10.0.0.1"))
    egress.close()
    assert packets == []


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "https://example.com/"])
async def test_redirects_are_not_followed(location: str, packets: list[Any]) -> None:
    """126, 127."""
    async with listening() as receiver:
        receiver.respond = lambda _request: response(302, f"location: {location}\r\n")
        done = await attempt(receiver.url, loopback("127.0.0.0/8"))
        assert (done.kind, done.status, len(receiver.received)) == ("rejected", 302, 1)
    assert packets == [("127.0.0.1", receiver.port)]


async def test_operators_lists(packets: list[Any]) -> None:
    denied = replace(POLICY, denied_networks=[ip_network("8.8.8.0/24")])
    assert (await attempt("https://8.8.8.8/", denied)).error == "not sent: 8.8.8.8 is denied by the operator"
    both = replace(loopback("10.0.0.0/8"), denied_networks=[ip_network("10.1.0.0/16")])
    target = both.parse("https://public.example.com:8443/")
    both.check(target, ip_address("10.0.0.1"))
    with pytest.raises(Forbidden):
        both.check(target, ip_address("10.1.0.1"))
    nat64 = loopback("64:ff9b::/96")
    nat64.check(target, ip_address("64:ff9b::808:808"))
    with pytest.raises(Forbidden):
        nat64.check(target, ip_address("64:ff9b::a00:1"))
    trusted = replace(POLICY, allowed_hosts=frozenset({"internal:9000"}))
    assert trusted.parse("http://internal:9000/").trusted
    trusted.check(trusted.parse("http://internal:9000/"), ip_address("10.0.0.1"))
    for url in ("http://internal:9001/", "http://user@internal:9000/"):
        with pytest.raises(Forbidden):
            trusted.check(trusted.parse(url), ip_address("10.0.0.1"))
    assert packets == []


async def test_proxies_of_the_environment_are_ignored(packets: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.9:9")
    async with listening() as receiver:
        assert (await attempt(receiver.url, loopback("127.0.0.0/8"))).status == 204
    assert packets == [("127.0.0.1", receiver.port)]


def test_the_policy_of_the_settings_knows_its_own_hosts() -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://u:pw@db.internal/x"),
        amqp_url=SecretStr("amqp://u:pw@192.0.2.7:5671/"),
        openstack_notification_more_urls=[SecretStr("amqp://u:pw@cell1.internal/")],
        magnum_notifications=MagnumNotificationSettings(url=SecretStr("amqp://u:pw@bus.internal/")),
        secret_keys=[SecretStr(new_key())],
        public_url="https://jeroboam.example.org",
        cloud=CloudSettings(auth_url="https://keystone.example.org:5000/v3", username="j", password=SecretStr("x")),
        webhooks=WebhookSettings(allow_http=True, ports=["443", "5000-5999"]),
    )
    policy = TargetPolicy.of(settings, own_broadcasts())
    brokers = {"cell1.internal", "bus.internal"}
    assert policy.own_names == {"db.internal", "jeroboam.example.org", "keystone.example.org"} | brokers
    assert policy.own_addresses == {(ip_address("192.0.2.7"), 5671)}
    assert policy.ports == [range(443, 444), range(5000, 6000)]
    assert "pw" not in repr(policy)


async def tls(directory: Path, name: str, trusted: bool = True) -> Attempt:
    """An attempt for `hooks.example.com` at a receiver whose certificate is for `name`."""
    authority = make_authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(authority, name, directory))
    ca_file = directory / "ca.pem"
    ca_file.write_bytes(authority.pem if trusted else make_authority().pem)
    async with listening(tls=context) as served:

        async def here(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        url = f"https://hooks.example.com:{served.port}/x"
        return await attempt(url, loopback("127.0.0.0/8"), resolve=here, ca_file=ca_file)


async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    assert (await tls(tmp_path, "hooks.example.com")).status == 204
    other = await tls(tmp_path, "other.example.com")
    assert other.kind == "unreachable"
    assert "certificate was not accepted" in str(other.error)
    stranger = await tls(tmp_path, "hooks.example.com", trusted=False)
    assert "certificate was not accepted" in str(stranger.error)


async def test_no_connection() -> None:
    egress = Egress(loopback("127.0.0.0/8"))
    with pytest.raises(Unreachable, match="Connection refused"):
        await egress.connect(egress.policy.parse("http://127.0.0.1:1025/"))
    egress.close()
