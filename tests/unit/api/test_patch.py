"""JSON patch: what is read, and what a template lets be changed."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.templates.fields import COLUMNS
from services.api.templates.patch import RULES, changed_template, may_change_referenced
from services.api.wire.errors import ApiError
from services.api.wire.patch import Change, Rules, literal, read_patch

TEMPLATE: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "name": "t",
    "labels": {"a": "1"},
    "public": False,
    "image_id": "i",
    "floating_ip_enabled": False,
}


def test_operations_and_plain_objects() -> None:
    assert read_patch([{"op": "add", "path": "/labels/a.b", "value": "1"}], Rules()) == [
        Change("add", "labels", "a.b", "1")
    ]
    assert read_patch({"name": "x", "tags": None}, Rules()) == [
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
        [{"op": "replace", "path": "/a", "value": 1, "from": "/b"}],
        [{"op": "replace", "path": "/uuid", "value": "x"}],
        [{"op": "remove", "path": "/image_id"}],
        {"uuid": "x"},
        {"": 1},
    ],
)
def test_malformed(body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        read_patch(body, RULES)
    assert caught.value.status == 400


def test_literals() -> None:
    assert literal("{'a': 'b'}", []) == {"a": "b"}
    assert literal('{"a": true}', []) == {"a": True}
    assert literal({"a": 1}, []) == {"a": 1}
    for text in ("{", "open('x')", "__import__('os')", "(" * 10_000, "x" * 70_000):
        with pytest.raises(ApiError):
            literal(text, [])


def test_a_template_after_changes() -> None:
    new = changed_template(
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
        (Change("add", "foo", None, "x"), "Adding a new attribute /foo to the root of the resource is not allowed."),
        (Change("add", "name", None, "x"), "The attribute /name has existed, please use 'replace' operation instead."),
        (
            Change("replace", "foo", None, "x"),
            "Couldn't apply patch '[{'path': '/foo', 'op': 'replace', 'value': 'x'}]'. "
            "Reason: can't replace a non-existent object 'foo'",
        ),
        (
            Change("remove", "labels", "zz", None),
            "Couldn't apply patch '[{'path': '/labels/zz', 'op': 'remove'}]'. "
            "Reason: can't remove a non-existent object 'zz'",
        ),
    ],
)
def test_refused(change: Change, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        changed_template(TEMPLATE, [change])
    assert caught.value.detail == text


def test_what_may_change_while_clusters_refer_to_it() -> None:
    assert may_change_referenced([])
    assert all(may_change_referenced([name]) for name in ("name", "public", "hidden", "tags"))
    assert not may_change_referenced(["name", "tags"])
    assert not may_change_referenced(["image_id"])


def test_openstacksdk_names_what_it_knows_by_id_only() -> None:
    rules = Rules(literals=frozenset({"labels"}))
    moved = [{"op": "move", "from": "/uuid", "path": "/id"}, {"op": "add", "path": "/node_count", "value": 3}]
    expected = [Change("replace", "node_count", None, 3)]
    assert read_patch(moved, rules) == read_patch({"id": "x", "node_count": 3}, rules) == expected
