"""Maps what calls of openstacksdk raise; beside `shared.cloud.errors`, because it imports the SDK, which is slow."""

from __future__ import annotations

from openstack import exceptions as sdk

from shared.cloud.errors import from_exception
from shared.domain.errors import JeroboamError, PermanentError, TemporaryError


def from_sdk(error: BaseException, *, doing: str) -> JeroboamError | None:
    """Return the error of a call of the SDK; None for exceptions that are bugs.

    Args:
        doing: description of the call, for the message.
    """
    if isinstance(error, sdk.ServiceDisabledException):
        return PermanentError(f"{doing}: the service catalogue does not contain this service")
    if isinstance(error, sdk.SDKException):
        # The SDK raises these if a service's version document is not available, because the service is down.
        return TemporaryError(f"{doing}: {error}")
    return from_exception(error, doing=doing)
