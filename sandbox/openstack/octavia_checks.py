"""What Octavia and its providers refuse in load balancers, listeners, pools and health monitors, in their words.

Sources: Octavia's API reference and its feature matrix of providers.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError

DEFAULT_PROVIDER = "amphora"
ALGORITHMS = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT")
_OF_AMPHORA = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP")
_OF_OVN = ("SOURCE_IP_PORT",)
# `octavia` is the old name of `amphora`.
PROVIDERS = {"amphora": ("Amphora", _OF_AMPHORA), "octavia": ("Amphora", _OF_AMPHORA), "ovn": ("OVN", _OF_OVN)}
MONITORS = ("HTTP", "HTTPS", "PING", "SCTP", "TCP", "TLS-HELLO", "UDP-CONNECT")
_MONITORS_OF_OVN = ("UDP-CONNECT", "TCP")
_CODES = r"\d{3}(\s*,\s*\d{3})*|\d{3}-\d{3}"


def balancer(fields: dict[str, Any]) -> None:
    """Refuse a provider that is not enabled."""
    provider = fields.get("provider") or DEFAULT_PROVIDER
    if provider not in PROVIDERS:
        raise ApiError(400, f"Provider '{provider}' is not enabled.")


def listener(above: Row, fields: dict[str, Any]) -> None:
    """Refuse a bad port or list of networks."""
    port = fields.get("protocol_port")
    if not (str(port).isdigit() and 1 <= int(str(port)) <= 65535):
        raise ApiError(400, f"Invalid input for field/attribute protocol_port. Value: '{port}'.")
    cidrs = fields.get("allowed_cidrs") or []
    for cidr in cidrs:
        try:
            network = ipaddress.ip_network(str(cidr), strict=False)
        except ValueError:
            raise ApiError(
                400,
                f"Invalid input for field/attribute allowed_cidrs. Value: '{cidr}'. Value should be IPv4 or IPv6 CIDR "
                "format",
            ) from None
        address = above["vip_address"]
        if network.version != ipaddress.ip_address(address).version:
            raise ApiError(
                400, f"Validation failure: CIDR {cidr} IP version incompatible with VIP {address} IP version."
            )
    if cidrs and above["provider"] == "ovn":
        raise _unsupported("ovn", "OVN provider does not support allowed_cidrs option")


def pool(above: Row, fields: dict[str, Any]) -> None:
    """Refuse an algorithm that the provider does not have."""
    algorithm, provider = fields.get("lb_algorithm"), above["provider"]
    if algorithm not in ALGORITHMS:
        text = f"Value should be one of: {', '.join(ALGORITHMS)}"
        raise ApiError(400, f"Invalid input for field/attribute lb_algorithm. Value: '{algorithm}'. {text}")
    title, known = PROVIDERS[provider]
    if algorithm not in known:
        end = "." if title == "Amphora" else ""
        raise _unsupported(provider, f"{title} provider does not support {algorithm} algorithm{end}")


def monitor(above: Row, fields: dict[str, Any], *, exists: bool) -> None:
    """Refuse a type that the provider does not have, a bad request of HTTP, and a second monitor of a pool."""
    kind, provider = fields.get("type"), above["provider"]
    if kind not in MONITORS:
        text = f"Value should be one of: {', '.join(MONITORS)}"
        raise ApiError(400, f"Invalid input for field/attribute type. Value: '{kind}'. {text}")
    if int(fields["delay"]) < int(fields["timeout"]):
        raise ApiError(400, "Validation failure: delay must be greater than or equal to timeout.")
    asked = [name for name in ("url_path", "http_method", "expected_codes") if fields.get(name) is not None]
    if asked and kind not in ("HTTP", "HTTPS"):
        raise ApiError(400, f"Validation failure: {asked[0]} is not a valid option for health monitor type {kind}.")
    path, codes = fields.get("url_path"), fields.get("expected_codes")
    if path is not None and not (str(path).startswith("/") and " " not in str(path)):
        raise ApiError(400, f"Invalid input for field/attribute url_path. Value: '{path}'.")
    if codes is not None and not re.fullmatch(_CODES, str(codes)):
        raise ApiError(400, f"Invalid input for field/attribute expected_codes. Value: '{codes}'.")
    if exists:
        raise ApiError(409, "This pool already has a health monitor")
    if provider == "ovn" and kind not in _MONITORS_OF_OVN:
        known = ", ".join(_MONITORS_OF_OVN)
        raise _unsupported(
            provider, f"OVN provider does not support {kind} health monitor type. Supported types: {known}"
        )


def _unsupported(provider: str, text: str) -> ApiError:
    return ApiError(501, f"Provider '{provider}' does not support a requested option: {text}")
