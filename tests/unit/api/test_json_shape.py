"""The shape of JSON is checked in linear time, before anything is built."""

from __future__ import annotations

import time

import pytest

from services.api.wire.body_limits import body_limit, largest_body
from services.api.wire.errors import ApiError
from services.api.wire.json_shape import check_shape
from shared.limit_settings import LimitSettings

LIMITS = LimitSettings(json_depth=5, json_elements=100)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[[[[[]]]]]",
        '{"a": "[[[[[[[[[["}',
        r'{"a": "\"[[[[[[[[[["}',
        '["' + "," * 1000 + '"]',
        "[" + "1," * 98 + "1]",
    ],
)
def test_what_is_in_strings_does_not_count(text: str) -> None:
    check_shape(text, LIMITS)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("[" * 6, "json_depth"),
        ('{"a":' * 6, "json_depth"),
        (r'["\\", [[[[[1]]]]]]', "json_depth"),
        ("[" + "1," * 100 + "1]", "json_elements"),
        ("[" * 1_000_000, "json_elements"),
        ("{" * 1_000_000, "json_elements"),
    ],
)
def test_a_limit_is_named(text: str, limit: str) -> None:
    with pytest.raises(ApiError) as raised:
        check_shape(text, LIMITS)
    assert raised.value.status == 400
    assert raised.value.detail.endswith(f"(limits.{limit})")


@pytest.mark.parametrize(
    "text", ['"' * 1_000_001, '"' + '\\"' * 500_000, '"\\' * 500_000, "[]" * 49 + '"' + "x" * 10**6]
)
def test_it_takes_linear_time(text: str) -> None:
    before = time.process_time()
    check_shape(text, LIMITS)
    assert time.process_time() - before < 1


def test_every_route_has_a_limit_for_bodies() -> None:
    limits = LimitSettings()
    node = "/v1/nodes/8f3a/"
    assert {
        path: body_limit(limits, path).setting for path in ("/v1/webhooks", "/", f"{node}csr", f"{node}reports")
    } == {
        "/v1/webhooks": "body_bytes",
        "/": "body_bytes",
        f"{node}csr": "body_bytes_csr",
        f"{node}reports": "body_bytes_report",
    }
    assert body_limit(limits, "/v1/clusters/c/nodegroups").setting == "body_bytes_definition"
    assert body_limit(limits, "/v1/certificates/c").most == limits.body_bytes_csr
    assert largest_body(limits) == limits.body_bytes_definition
