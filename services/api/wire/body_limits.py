"""How large the body of a request may be, by its route.

Rule: this is a pure function of the path, in the form in which routes are defined. What has no limit of its own has the
general one.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.limit_settings import LimitSettings

_NODES = "/v1/nodes/"
_REQUESTS_FOR_CERTIFICATES = ("/v1/certificates",)
_DEFINITIONS = ("/v1/clusters", "/v1/clustertemplates")


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Args: most: bytes; setting: its name in `JEROBOAM_LIMITS__*`."""

    most: int
    setting: str


def body_limit(limits: LimitSettings, path: str) -> BodyLimit:
    """The limit for requests to `path`."""
    setting = "body_bytes"
    if path.startswith(_NODES):
        setting = "body_bytes_csr" if path.endswith("/csr") else "body_bytes_report"
    elif path.startswith(_REQUESTS_FOR_CERTIFICATES):
        setting = "body_bytes_csr"
    elif path.startswith(_DEFINITIONS):
        setting = "body_bytes_definition"
    return BodyLimit(getattr(limits, setting), setting)


def largest_body(limits: LimitSettings) -> int:
    """Bytes of the largest body that any route accepts."""
    return max(limits.body_bytes, limits.body_bytes_definition, limits.body_bytes_report, limits.body_bytes_csr)
