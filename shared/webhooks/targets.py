"""Parses the URL of a webhook and decides whether requests may be sent there.

Rule: a URL is parsed once, here, and the parsed `Target` is what is resolved and connected to. The grammar is narrower
than that of browsers and libraries: plain ASCII, no user information, no percent signs in the host, IPv4 addresses only
in their canonical form, no host that ends in a number. So no two parsers can disagree about a URL that is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from shared.settings import Settings
from shared.webhooks.addresses import Address, Network, forbidden, parse_address, plain

MAX_URL = 2048
_URL = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*\Z")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?\Z")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_LAST_LABEL = re.compile(r"(?!0x[0-9a-f]*\Z).*[a-z]")  # not a number: libraries read such hosts as addresses
_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "metadata.google.internal"})
_LOCAL_DOMAINS = (".localhost", ".localdomain")
_EVERYTHING = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Forbidden(ValueError):
    """A URL or an address to which no request is sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request is sent.

    Args:
        host: a DNS name in lower case, or an address without brackets.
        address: the address, if `host` is one.
        path: the request target, with the query.
        trusted: the operator listed the host and the port, so its addresses are not checked.
    """

    tls: bool
    host: str
    port: int
    path: str
    address: Address | None
    trusted: bool

    @property
    def authority(self) -> str:
        """Value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """What the operator permits.

    Args:
        allow_http: whether URLs may be http, on port 80 and the listed ports.
        ports: permitted ports.
        allowed_hosts: `host:port` that are permitted whatever their addresses are.
        own_names: hosts of this installation; `own_addresses`: its addresses, with their ports.
        own_broadcasts: broadcast addresses of this machine's interfaces.
    """

    allow_http: bool = False
    ports: Sequence[range] = (range(443, 444),)
    allowed_networks: Sequence[Network] = ()
    denied_networks: Sequence[Network] = ()
    allowed_hosts: Collection[str] = ()
    own_names: Collection[str] = ()
    own_addresses: Collection[tuple[Address, int]] = ()
    own_broadcasts: Collection[Address] = ()

    @classmethod
    def of(cls, settings: Settings, own_broadcasts: Collection[Address] = ()) -> TargetPolicy:
        """The policy of the settings. Secrets in URLs of the settings are not kept."""
        webhooks = settings.webhooks
        names, addresses = _own(settings)
        return cls(
            allow_http=webhooks.allow_http,
            ports=[port_range(text) for text in webhooks.ports],
            allowed_networks=webhooks.allowed_networks,
            denied_networks=webhooks.denied_networks,
            allowed_hosts=frozenset(host.lower() for host in webhooks.allowed_hosts),
            own_names=names,
            own_addresses=addresses,
            own_broadcasts=own_broadcasts,
        )

    def parse(self, url: str) -> Target:
        """Parse a URL.

        Raises:
            Forbidden: it is malformed, or requests to it are not permitted.
        """
        target = self._parsed(url)
        if target.address is not None:
            self.check(target, target.address)
        return target

    def check(self, target: Target, address: Address) -> None:
        """Raise Forbidden unless a connection to `address` may be made for this target."""
        address = plain(address)
        if (address, target.port) in self.own_addresses:
            why: str | None = "an address of this service"
        elif address in self.own_broadcasts:
            why = "a broadcast address"
        else:
            allowed = _EVERYTHING if target.trusted else self.allowed_networks
            why = forbidden(address, allowed=allowed, denied=self.denied_networks)
        if why is None:
            return
        if target.address is None:
            # The message is shown to users, to whom the name server of the service may tell more than their own.
            raise Forbidden(f"{target.host} resolves to {why}")
        raise Forbidden(f"{target.host} is {why}")

    def _parsed(self, url: str) -> Target:
        if len(url) > MAX_URL:
            raise Forbidden(f"is longer than {MAX_URL} characters")
        if not _CHARACTERS.match(url):
            raise Forbidden("contains characters that a URL cannot contain; encode them")
        match = _URL.fullmatch(url)
        if match is None:
            raise Forbidden("must begin with https:// and a host")
        scheme, authority, path = match[1].lower(), match[2], match[3]
        if "@" in authority:
            raise Forbidden("must not contain a user name or password")
        found = _HOST.match(authority)
        if found is None:
            raise Forbidden("has no valid host and port")
        address = _literal(found[1], found[2])
        host = str(address) if address is not None else found[2].lower()
        port = int(found[3]) if found[3] else _DEFAULT_PORTS[scheme]
        trusted = f"{host}:{port}" in self.allowed_hosts
        if address is None:
            self._check_name(host, trusted=trusted)
        if scheme == "http" and not (self.allow_http or trusted):
            raise Forbidden("must use https")
        self._check_port(scheme, port, trusted=trusted)
        return Target(scheme == "https", host, port, path if path.startswith("/") else f"/{path}", address, trusted)

    def _check_name(self, host: str, *, trusted: bool) -> None:
        labels = host.split(".")
        if len(host) > 253 or not all(_LABEL.match(label) for label in labels) or not _LAST_LABEL.match(labels[-1]):
            raise Forbidden("has a host that is neither a DNS name nor an address in canonical form")
        if host in self.own_names:
            raise Forbidden("has a host of this service")
        if not trusted and (host in _LOCAL_NAMES or host.endswith(_LOCAL_DOMAINS)):
            raise Forbidden("has a host that is local to the service")

    def _check_port(self, scheme: str, port: int, *, trusted: bool) -> None:
        usual = scheme == "http" and port == _DEFAULT_PORTS["http"]
        if not 1 <= port <= 65535 or not (trusted or usual or any(port in ports for ports in self.ports)):
            raise Forbidden(f"has port {port}, which is not permitted")


def port_range(text: str) -> range:
    """The ports of `443` or `8000-8999`, as the settings have checked it."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _literal(ipv6: str | None, other: str | None) -> Address | None:
    """The address that a host is. Raises Forbidden for a malformed one."""
    try:
        if ipv6 is not None:
            return IPv6Address(ipv6)
        return IPv4Address(other or "") if re.fullmatch(r"[0-9.]+", other or "") else None
    except AddressValueError:
        raise Forbidden("has a host that is neither a DNS name nor an address in canonical form") from None


def _own(settings: Settings) -> tuple[frozenset[str], frozenset[tuple[Address, int]]]:
    """Hosts that the settings name: this API, Keystone, the database and the brokers."""
    secrets = (
        settings.database_url,
        settings.database_pooler_url,
        settings.amqp_url,
        settings.openstack_notification_url,
        *settings.openstack_notification_more_urls,
        settings.magnum_notifications.url,
    )
    urls = [settings.public_url, settings.cloud.auth_url, *(each.get_secret_value() for each in secrets if each)]
    names: set[str] = set()
    addresses: set[tuple[Address, int]] = set()
    for url in urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            continue
        address = parse_address(host)
        if address is None:
            names.add(host)
        else:
            addresses |= {(plain(address), each) for each in ([port] if port else [80, 443, 5432, 5672])}
    return frozenset(names), frozenset(addresses)
