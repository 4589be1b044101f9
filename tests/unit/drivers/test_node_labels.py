"""What Kubernetes does not accept as a label or taint of a node is refused, with the rule in the message."""

from __future__ import annotations

import pytest

from shared.drivers.kubernetes.node_labels import problems

TAINT = {"key": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("tier", value) for value in ("", "gold", "A_b-c.9", "x" * 63)),
        *((key, "x") for key in ("x" * 63, "A_b-c.9", "example.org/tier", f"{'a.' * 126}a/tier", "a-b.c/9")),
    ],
)
def test_accepted_labels(key: str, value: str) -> None:
    assert problems({key: value}, [{"key": key, "value": value, "effect": "NoExecute"}]) == []


@pytest.mark.parametrize(
    "value", ["data science", "a,b=c", "x" * 64, "-a", "a-", "a\n", "\u00e9", "a/b", "--all", "a:NoSchedule"]
)
def test_refused_values(value: str) -> None:
    (problem,) = problems({"tier": value}, [])
    assert problem.field == "node_labels"
    assert problem.text.startswith(f"the value {value!r} of tier must be empty, or at most 63 letters, digits")
    (problem,) = problems({}, [{**TAINT, "value": value}])
    assert problem.field == "node_taints"
    assert problem.text.startswith(f"node_taints[0].value {value!r} must be empty, or at most 63 letters, digits")


@pytest.mark.parametrize(
    "key",
    [
        *("a b", "a --all", "a,b", "a=b", "x" * 64, "-a", "a_", "a\n", "a:b", "a/b/c", "/a", "a/"),
        *("Example.org/a", "a..b/c", "-a.b/c", "a_b/c", f"{'a.' * 127}a/tier", "a\n/b"),
    ],
)
def test_refused_keys(key: str) -> None:
    (problem,) = problems({key: "x"}, [])
    assert (problem.field, problem.text.partition(" must be ")[0]) == ("node_labels", f"key {key[:100]!r}")
    (problem,) = problems({}, [{**TAINT, "key": key}])
    assert problem.text.startswith("node_taints[0].key ")
    assert "such as example.org/tier" in problem.text


def test_an_empty_key_is_refused() -> None:
    (problem,) = problems({"": "x"}, [])
    assert problem.text.startswith("key '' must be at most 63 letters")


def test_the_same_key_and_effect_twice() -> None:
    twice = [TAINT, {**TAINT, "effect": "NoExecute"}, {**TAINT, "value": "other"}]
    assert [problem.text for problem in problems({}, twice)] == [
        "node_taints[2] has the key and the effect of node_taints[0]; a node has at most one taint for both"
    ]
