"""What Octavia and its providers refuse in load balancers, listeners and pools, in their words.

Sources: Octavia's API reference and its feature matrix of providers.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError

DEFAULT_PROVIDER = "amphora"
ALGORITHMS = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT")
_OF_AMPHORA = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP")
_OF_OVN = ("SOURCE_IP_PORT",)
# `octavia` is the old name of `amphora`.
PROVIDERS = {"amphora": ("Amphora", _OF_AMPHORA), "octavia": ("Amphora", _OF_AMPHORA), "ovn": ("OVN", _OF_OVN)}


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


def _unsupported(provider: str, text: str) -> ApiError:
    return ApiError(501, f"Provider '{provider}' does not support a requested option: {text}")
