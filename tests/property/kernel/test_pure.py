"""Laws of the kernel's pure functions."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.topic import matches
from shared.domain.errors import TemporaryError
from shared.domain.retry import RetryLater, RetryPolicy, decide
from shared.events.reader import Cursor
from shared.operations.node_tokens import node_token
from shared.operations.nodes import node_name

words = st.sampled_from(["a", "b", "node", "v1"])
keys = st.lists(words, max_size=5).map(".".join)
patterns = st.lists(st.one_of(words, st.sampled_from(["*", "#"])), max_size=5).map(".".join)


def reference(pattern: str, key: str) -> bool:
    """The same law by recursion over words, straight from AMQP's definition."""

    def walk(parts: list[str], rest: list[str]) -> bool:
        if not parts:
            return not rest
        if parts[0] == "#":
            return any(walk(parts[1:], rest[start:]) for start in range(len(rest) + 1))
        return bool(rest) and parts[0] in ("*", rest[0]) and walk(parts[1:], rest[1:])

    return walk(pattern.split(".") if pattern else [], key.split(".") if key else [])


@given(patterns, keys)
def test_topic_matching_is_the_definition(pattern: str, key: str) -> None:
    assert matches(pattern, key) == reference(pattern, key)


@given(
    attempts=st.integers(1, 10_000),
    asked=st.none() | st.floats(0, 3600),
    left=st.none() | st.floats(0.001, 86_400),
    jitter=st.floats(0, 0.999),
)
def test_a_temporary_error_waits_within_bounds(
    attempts: int, asked: float | None, left: float | None, jitter: float
) -> None:
    policy = RetryPolicy()
    decision = decide(policy, TemporaryError("x", asked), attempts=attempts, seconds_left=left, jitter=jitter)
    assert isinstance(decision, RetryLater)
    assert 0 < decision.delay <= max(policy.max_delay, asked or 0)
    if left is not None:
        assert decision.delay <= left
    elif asked is not None:
        assert decision.delay >= asked


@given(st.text(max_size=300), st.uuids(), st.text(max_size=300), st.integers(0, 5000))
def test_a_node_name_is_a_host_name(cluster: str, uuid: object, nodegroup: str, index: int) -> None:
    name = node_name(cluster, str(uuid), nodegroup, index)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert name.endswith(f"-{index}")


@given(st.lists(st.uuids(), unique=True, max_size=50), st.text(min_size=1), st.text(min_size=1))
def test_tokens_differ_by_node_and_by_cluster(nodes: list[object], seed: str, other: str) -> None:
    tokens = Counter(node_token(seed, str(node)) for node in nodes)
    assert all(count == 1 for count in tokens.values())
    if seed != other:
        assert not tokens.keys() & {node_token(other, str(node)) for node in nodes}


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_cursor_survives_its_text(tx: int, seq: int) -> None:
    assert Cursor.parse(str(Cursor(tx, seq))) == Cursor(tx, seq)


@given(st.text())
def test_any_text_is_a_cursor_or_refused(value: str) -> None:
    try:
        cursor = Cursor.parse(value)
    except ValueError:
        return
    assert cursor.tx < 2**63
    assert cursor.seq < 2**63
