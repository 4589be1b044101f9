"""Microversions 1.1 to 1.14: parses, checks and returns `OpenStack-API-Version`.

Rule: no header means 1.1, except for `actions/...`, which no client can use with 1.1: openstacksdk calls them without a
header. A version outside the range returns 406 with the range in the body, so that clients can select another one. Each
feature that a version adds has a name here, which routes use.
"""

from __future__ import annotations

import json
import re

from starlette.responses import Response

from services.api.wire.errors import ApiError, not_acceptable

Microversion = tuple[int, int]

HEADER = "OpenStack-API-Version"
SERVICE = "container-infrastructure-management"
_SERVICES = frozenset({SERVICE, "container-infrastructure", "container-infra"})

MIN: Microversion = (1, 1)
MAX: Microversion = (1, 14)

ROLLBACK: Microversion = (1, 3)
RESIZE: Microversion = (1, 7)
UPGRADE: Microversion = (1, 8)
NODEGROUPS: Microversion = (1, 9)
ZERO_NODES: Microversion = (1, 10)
CREDENTIALS: Microversion = (1, 12)
CLUSTER_ID: Microversion = (1, 13)

_ACTION = re.compile(r"/v1/clusters/[^/]+/actions/(resize|upgrade)")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\Z", re.ASCII)


class UnsupportedVersion(ApiError):
    """A valid version that is not supported; its body differs from that of all other errors."""

    def __init__(self, version: Microversion) -> None:
        super().__init__(406, "Requested microversion is unsupported")
        self.version = version


def negotiate(header: str | None, path: str) -> Microversion:
    """Return the version with which a request is processed.

    Args:
        path: its path, in the form in which routes are defined.
        header: the value of `OpenStack-API-Version`; several services may be listed, separated by commas.

    Raises:
        ApiError: 406; UnsupportedVersion if the version is outside the range.
    """
    if header is None:
        return ZERO_NODES if _ACTION.fullmatch(path) else MIN
    for part in header[:1000].split(","):
        service, _, version = part.strip().partition(" ")
        # Magnum accepts "latest" for any service name, and clients rely on that.
        if version and (service.lower() in _SERVICES or version.strip().lower() == "latest"):
            return _parse(version.strip())
    raise not_acceptable(f"Invalid service type for {HEADER} header")


def _parse(text: str) -> Microversion:
    if text.lower() == "latest":
        return MAX
    match = _VERSION.match(text)
    if match is None:
        raise not_acceptable(f"Invalid value for {HEADER} header")
    version = (int(match[1]), int(match[2]))
    if not MIN <= version <= MAX:
        raise UnsupportedVersion(version)
    return version


def text(version: Microversion) -> str:
    return f"{version[0]}.{version[1]}"


def headers(effective: Microversion) -> list[tuple[bytes, bytes]]:
    """Response headers of all routes under /v1."""
    return [
        (b"openstack-api-minimum-version", f"{SERVICE} {text(MIN)}".encode()),
        (b"openstack-api-maximum-version", f"{SERVICE} {text(MAX)}".encode()),
        (b"vary", HEADER.encode()),
        (b"openstack-api-version", f"{SERVICE} {text(effective)}".encode()),
    ]


def unsupported_response(version: Microversion, *, described: bool) -> Response:
    """Magnum's body for a version outside the range.

    Args:
        described: the client requested JSON explicitly, so the body contains a description.
    """
    body = {
        "max_version": text(MAX),
        "min_version": text(MIN),
        "code": "magnum.microversion-unsupported",
        "links": [{"rel": "help", "href": "http://docs.openstack.org/api-guide/compute/microversions.html"}],
        "title": "Requested microversion is unsupported",
    }
    if described:
        body["description"] = _described(version)
    return Response(json.dumps({"errors": [body]}), status_code=406, media_type="application/json")


def _described(version: Microversion) -> str:
    """Magnum's two sentences; it has no space before the second one in one of the cases."""
    spoken = f"The supported version range is: [{SERVICE} {text(MIN)}, {SERVICE} {text(MAX)}]."
    if version[0] != MAX[0]:
        exclusive = "Mutually exclusive versions requested."
        return f"{exclusive} Version {text(version)} requested but not supported by this service.{spoken}"
    return f"Version {text(version)} was requested but the minor version is not supported by this service. {spoken}"


def require(version: Microversion, needed: Microversion, api: str) -> None:
    """Raise 406 if the request's version is lower than `needed`.

    Args:
        api: Magnum's name of the method, for the message.
    """
    if version < needed:
        raise not_acceptable(
            f"Version {text(version)} was requested but the requested API {api} is not supported for this version."
        )
