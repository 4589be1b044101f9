"""Each service's way of saying no, and what it means for us."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from keystoneauth1 import exceptions as ka
from openstack import exceptions as sdk

from shared.cloud.errors import (
    Forbidden,
    LastingConflict,
    Unauthorized,
    check,
    from_response,
    message_of,
    retry_after,
)
from shared.cloud.sdk_errors import from_sdk
from shared.domain.errors import NotFound, PermanentError, TemporaryError

HEAT_EXISTS = (
    '{"code": 409, "title": "Conflict", "explanation": "There was a conflict.", '
    '"error": {"type": "StackExists", "traceback": null, "message": "The Stack (s) already exists."}}'
)
HEAT_BUSY = (
    '{"code": 409, "title": "Conflict", "error": {"type": "ActionInProgress", '
    '"message": "Stack s already has an action (UPDATE) in progress."}}'
)
NEUTRON_IN_USE = (
    '{"NeutronError": {"type": "NetworkInUse", "message": "Unable to complete operation on network n. '
    'There are one or more ports still in use on the network.", "detail": ""}}'
)
NEUTRON_QUOTA = (
    '{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [\'port\'].", "detail": ""}}'
)
NOVA_QUOTA = '{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but used 10 of 10"}}'
NOVA_BUSY = '{"conflictingRequest": {"code": 409, "message": "Cannot \'delete\' instance while it is in task_state x"}}'
KEYSTONE_DUPLICATE = (
    '{"error": {"code": 409, "title": "Conflict", "message": '
    '"Conflict occurred attempting to store application_credential - Duplicate entry found with name n."}}'
)
OCTAVIA_IMMUTABLE = '{"faultcode": "Client", "faultstring": "Load Balancer l is immutable and cannot be updated."}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HEAT_EXISTS, "The Stack (s) already exists."),
        (NOVA_QUOTA, "Quota exceeded for instances: Requested 1, but used 10 of 10"),
        (NEUTRON_QUOTA, "Quota exceeded for resources: ['port']."),
        (OCTAVIA_IMMUTABLE, "Load Balancer l is immutable and cannot be updated."),
        ('{"errors": [{"title": "Bad", "detail": "the detail"}]}', "the detail"),
        ('{"title": "Only a title"}', "Only a title"),
        ("<html><body>502 Bad Gateway</body></html>", ""),
        ("plain words", "plain words"),
        ("", ""),
        ("[]", ""),
        ("null", ""),
        ("17", ""),
    ],
)
def test_the_message_is_found_in_every_services_wrapping(body: str, message: str) -> None:
    assert message_of(body) == message


def test_a_message_is_bounded() -> None:
    assert len(message_of("x" * 100_000)) == 2000


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, HEAT_EXISTS, PermanentError),
        (401, "", Unauthorized),
        (403, NOVA_QUOTA, Forbidden),
        (404, "", NotFound),
        (405, "", PermanentError),
        (408, "", TemporaryError),
        (409, HEAT_EXISTS, LastingConflict),
        (409, HEAT_BUSY, TemporaryError),
        (409, NEUTRON_IN_USE, TemporaryError),
        (409, NEUTRON_QUOTA, LastingConflict),
        (409, NOVA_BUSY, TemporaryError),
        (409, KEYSTONE_DUPLICATE, LastingConflict),
        (409, OCTAVIA_IMMUTABLE, TemporaryError),
        (413, "", PermanentError),
        (429, "", TemporaryError),
        (500, "", TemporaryError),
        (502, "<html>", TemporaryError),
        (503, "", TemporaryError),
    ],
)
def test_statuses_are_temporary_or_permanent(status: int, body: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        check(status, {}, body, doing="create stack s")
    assert type(caught.value) is kind
    assert str(caught.value).startswith("create stack s: ")
    assert str(caught.value).endswith(f"(HTTP {status})")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 300, 302])
def test_success_is_no_error(status: int) -> None:
    assert from_response(status, {}, "", doing="x") is None


NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("-3", None),
        ("nan", None),
        ("inf", 3600.0),
        ("999999", 3600.0),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"RETRY-AFTER": value}, now=NOW) == seconds


def test_the_delay_a_service_asks_for_is_kept() -> None:
    for status in (409, 413, 429, 503):
        error = from_response(status, {"Retry-After": "12"}, "", doing="x")
        assert isinstance(error, TemporaryError)
        assert error.delay == 12


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ka.ConnectFailure("refused"), TemporaryError),
        (ka.ConnectTimeout("slow"), TemporaryError),
        (ka.SSLError("bad certificate"), TemporaryError),
        (ka.DiscoveryFailure("no versions"), TemporaryError),
        (ka.EndpointNotFound("nothing"), PermanentError),
        (ka.MissingRequiredOptions([]), PermanentError),
        (ka.ServiceUnavailable(http_status=503), TemporaryError),
        (ka.Unauthorized(http_status=401), Unauthorized),
        (sdk.ServiceDisabledException("x"), PermanentError),
        (sdk.NotSupported("no version document"), TemporaryError),
        (httpx.ConnectError("refused"), TemporaryError),
        (httpx.ReadTimeout(""), TemporaryError),
        (TimeoutError(), TemporaryError),
        (NotFound("ours already"), NotFound),
    ],
)
def test_exceptions_of_the_libraries(error: Exception, kind: type[Exception]) -> None:
    assert type(from_sdk(error, doing="list servers")) is kind


def test_a_bug_of_ours_stays_what_it_is() -> None:
    assert from_sdk(KeyError("id"), doing="x") is None
