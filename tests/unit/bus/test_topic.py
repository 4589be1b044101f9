from __future__ import annotations

import pytest

from shared.bus.topic import matches


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("*.b", "a.b", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#", "", True),
        ("#", "a.b", True),
        ("#.x", "x", True),
        ("#.x", "a.b.x", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
        ("*.#.*", "a", False),
        ("*.#.*", "a.b", True),
        ("node.#", "nodegroup.create", False),
    ],
)
def test_matching_is_that_of_a_topic_exchange(pattern: str, key: str, expected: bool) -> None:
    assert matches(pattern, key) is expected
