"""Versions, paths, fields and error translation: pure functions, line by line."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from services.api.middleware.paths import canonical
from services.api.wire import microversion
from services.api.wire.errors import ApiError
from services.api.wire.fields import Field, boolean, integer, labels, parse_body, string
from services.api.wire.identifiers import as_uuid
from services.api.wire.translation import translated
from shared.domain.errors import Conflict, NotFound, PermanentError, TemporaryError


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (None, (1, 1)),
        ("container-infra 1.9", (1, 9)),
        ("container-infrastructure 1.14", (1, 14)),
        ("Container-Infra latest", (1, 14)),
        ("nova LATEST", (1, 14)),
        ("compute 2.90, container-infra 1.10", (1, 10)),
    ],
)
def test_versions_agreed(header: str | None, version: tuple[int, int]) -> None:
    assert microversion.negotiate(header, "/v1/clusters") == version


def test_actions_without_a_version() -> None:
    assert microversion.negotiate(None, "/v1/clusters/c1/actions/resize") == (1, 10)
    assert microversion.negotiate(None, "/v1/clusters/c1/actions/upgrade") == (1, 10)
    assert microversion.negotiate("container-infra 1.1", "/v1/clusters/c1/actions/resize") == (1, 1)


@pytest.mark.parametrize(
    ("header", "unsupported"),
    [
        ("container-infra 1.15", True),
        ("container-infra 1.0", True),
        ("container-infra 2.1", True),
        ("1.9", False),
        ("", False),
        ("compute 2.1", False),
        ("container-infra 1", False),
        ("container-infra 1.x", False),
        ("container-infra ١.٢", False),
        ("container-infra 1.9.1", False),
    ],
)
def test_versions_refused(header: str, unsupported: bool) -> None:
    with pytest.raises(ApiError) as caught:
        microversion.negotiate(header, "/v1/clusters")
    assert caught.value.status == 406
    assert isinstance(caught.value, microversion.UnsupportedVersion) is unsupported


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1//clusters", "/v1/clusters"),
        ("//v1/clusters//x/", "/v1/clusters/x"),
        ("/", "/"),
        ("//", "/"),
        ("/v1/", "/v1"),
        ("/clusters", "/v1/clusters"),
        ("/clusters/c1/nodegroups/", "/v1/clusters/c1/nodegroups"),
        ("/v1/clusters/", "/v1/clusters"),
        ("/v1/v1/clusters", "/v1/v1/clusters"),
        ("/readyz", "/readyz"),
        ("*", "/*"),
    ],
)
def test_paths(path: str, route: str) -> None:
    assert canonical(path) == route


@pytest.mark.parametrize(
    ("value", "parsed"), [(2, 2), ("2", 2), (" 2 ", 2), (2.7, 2), (True, 1), (2**31 - 1, 2**31 - 1)]
)
def test_whole_numbers(value: Any, parsed: int) -> None:
    assert integer()("n", value) == parsed


@pytest.mark.parametrize("value", ["x", "", -1, 2**31, "9" * 30, float("inf"), float("nan"), [], {}, "2.5"])
def test_not_whole_numbers(value: Any) -> None:
    with pytest.raises(ApiError, match=r"^Invalid input for field/attribute n\."):
        integer()("n", value)


@pytest.mark.parametrize(("value", "parsed"), [("True", True), ("off", False), (1, True), ("0", False), (False, False)])
def test_switches(value: Any, parsed: bool) -> None:
    assert boolean("b", value) is parsed


@pytest.mark.parametrize("value", ["maybe", 2, [], {}, 1.0])
def test_not_switches(value: Any) -> None:
    with pytest.raises(ApiError, match="Unrecognized value"):
        boolean("b", value)


@pytest.mark.parametrize("value", ["", "x" * 256, "\x00", "a\ud800", True, [], {}])
def test_not_text(value: Any) -> None:
    with pytest.raises(ApiError):
        string()("s", value)


def test_labels_become_text() -> None:
    assert labels("labels", {"a": 1, "b": True, "c": "x", "d": 1.5}) == {"a": "1", "b": "True", "c": "x", "d": "1.5"}


@pytest.mark.parametrize("value", [[], "x", {"a": None}, {"a": []}, {"a": "\x00"}, {"\ud800": "a"}])
def test_not_labels(value: Any) -> None:
    with pytest.raises(ApiError):
        labels("labels", value)


def test_bodies() -> None:
    fields = [
        Field("name", string(), mandatory=True),
        Field("size", integer()),
        Field("made", string(), read_only=True),
        Field("status", string(), ignored=True),
    ]
    assert parse_body({"name": "a", "size": None, "status": "x"}, fields, "thing") == {"name": "a"}
    for body, text in (
        ({}, "Invalid input for field/attribute name. Value: 'None'. Mandatory field missing."),
        ({"name": "a", "x": 1}, "Unknown attribute for argument thing: x"),
        ({"name": "a", "made": "b"}, "Invalid input for field/attribute made. Value: 'b'. Cannot set read only field."),
    ):
        with pytest.raises(ApiError) as caught:
            parse_body(body, fields, "thing")
        assert caught.value.detail == text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ApiError(418, "x"), 418),
        (HTTPException(405), 405),
        (Conflict("x"), 409),
        (NotFound("x"), 404),
        (PermanentError("x"), 400),
        (TemporaryError("x", 7.6), 503),
        (TimeoutError(), 503),
        (ConnectionRefusedError(), 503),
        (KeyError("secret"), 500),
    ],
)
def test_what_the_caller_is_told(error: Exception, status: int) -> None:
    refusal = translated(error)
    assert refusal.status == status
    assert "secret" not in refusal.detail
    assert refusal.headers == ({"Retry-After": "8"} if isinstance(error, TemporaryError) else refusal.headers)


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [("22021", 400), ("22P05", 400), ("08006", 503), ("57P01", 503), ("40P01", 503), ("42P01", 500)],
)
def test_what_the_database_says(sqlstate: str, status: int) -> None:
    original = type("DriverError", (Exception,), {"sqlstate": sqlstate})()
    assert translated(DBAPIError("SELECT", {}, original)).status == status
    assert translated(original).status == status


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("0190A0000000700080000000000000AB", "0190a000-0000-7000-8000-0000000000ab"),
        ("0190a000-0000-7000-8000-0000000000ab", "0190a000-0000-7000-8000-0000000000ab"),
        ("c1", None),
        ("0190a000-0000-7000-8000-0000000000a", None),
        ("0190a000-0000-7000-8000-0000000000ab\n", None),
    ],
)
def test_names_and_uuids(text: str, uuid: str | None) -> None:
    assert as_uuid(text) == uuid


@pytest.mark.parametrize(
    ("detail", "title"),
    [
        ("label kube_tag: from v1.34.1 to v1.36.0 skips a version. Upgrade to v1.35 first.",
         "label kube_tag: from v1.34.1 to v1.36.0 skips a version"),
        ("Cluster c.1 could not be found.", "Cluster c.1 could not be found"),
        ("One.\nTwo.", "One"),
        ("10.0.0.0/8 is in use", "10.0.0.0/8 is in use"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_title_is_the_first_sentence(detail: str, title: str) -> None:
    assert ApiError(400, detail).title == title
