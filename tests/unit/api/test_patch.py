"""JSON patch: what is read, and what a template lets be changed."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.errors import ApiError
from services.api.patch import Change, literal, read_patch
from services.api.usecases.template_patch import apply_changes, may_change_referenced

TEMPLATE: dict[str, Any] = {
    "name": "t",
    "labels": {"a": "1"},
    "public": False,
    "docker_volume_size": None,
    "image_id": "i",
    "floating_ip_enabled": False,
}


def test_operations_and_plain_objects() -> None:
    assert read_patch([{"op": "add", "path": "/labels/a.b", "value": "1"}]) == [Change("add", "labels", "a.b", "1")]
    assert read_patch({"name": "x", "tags": None}) == [
        Change("replace", "name", None, "x"),
        Change("remove", "tags", None, None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        1,
        "x",
        None,
        [1],
        [{"op": "add"}],
        [{"path": "/a", "value": 1}],
        [{"op": "move", "path": "/a", "value": 1}],
        [{"op": "replace", "path": "a", "value": 1}],
        [{"op": "replace", "path": "/a/", "value": 1}],
        [{"op": "replace", "path": "/a"}],
        [{"op": "replace", "path": "/a", "value": {}}],
        [{"op": "replace", "path": "/a", "value": [1]}],
        [{"op": [], "path": "/a", "value": 1}],
        {"": 1},
    ],
)
def test_malformed(body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        read_patch(body)
    assert caught.value.status == 400


def test_literals() -> None:
    assert literal("labels", "{'a': 'b'}") == {"a": "b"}
    assert literal("labels", '{"a": true}') == {"a": True}
    assert literal("labels", {"a": 1}) == {"a": 1}
    for text in ("{", "open('x')", "__import__('os')", "(" * 10_000, "x" * 70_000):
        with pytest.raises(ApiError):
            literal("labels", text)


def test_a_template_after_changes() -> None:
    new = apply_changes(
        TEMPLATE,
        [
            Change("replace", "labels", None, "{'x': 1}"),
            Change("add", "labels", "y", 2),
            Change("add", "docker_volume_size", None, "3"),
            Change("remove", "floating_ip_enabled", None, None),
            Change("replace", "public", None, 1),
        ],
    )
    assert new == TEMPLATE | {
        "labels": {"x": "1", "y": "2"},
        "docker_volume_size": 3,
        "floating_ip_enabled": True,
        "public": True,
    }
    assert TEMPLATE["labels"] == {"a": "1"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change("replace", "uuid", None, "x"), "'/uuid' is an internal attribute and can not be updated"),
        (Change("remove", "image_id", None, None), "'/image_id' is a mandatory attribute and can not be removed"),
        (Change("add", "foo", None, "x"), "Adding a new attribute /foo to the root of the resource is not allowed."),
        (Change("add", "name", None, "x"), "The attribute /name has existed, please use 'replace' operation instead."),
        (
            Change("replace", "foo", None, "x"),
            "Couldn't apply patch '/foo'. Reason: can't replace a non-existent object",
        ),
        (
            Change("remove", "labels", "zz", None),
            "Couldn't apply patch '/labels/zz'. Reason: can't remove a non-existent object 'zz'",
        ),
    ],
)
def test_refused(change: Change, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        apply_changes(TEMPLATE, [change])
    assert caught.value.detail == text


def test_what_may_change_while_clusters_refer_to_it() -> None:
    assert may_change_referenced([])
    assert all(may_change_referenced([name]) for name in ("name", "public", "hidden", "tags"))
    assert not may_change_referenced(["name", "tags"])
    assert not may_change_referenced(["image_id"])
