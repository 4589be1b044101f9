"""Laws of the kernel's pure functions."""

from __future__ import annotations

import re
from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.topic import matches
from shared.cloud.names import base_stack, shard_stack
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


# Names that come close to each other: cut, changed, and made to look like what a name is turned into.
likely = st.sampled_from(
    ["gpu-pool", "GPU_pool", "worker-pool-europe-west-1", "worker-pool-europe-west-2", "a", "a-1", "a--1", "ü", "", "-"]
) | st.from_regex(r"[a-z]{0,3}-?[0-9a-f]{8}", fullmatch=True)
names = st.text(max_size=300) | likely


@given(names, st.uuids(), names, st.uuids(), st.integers(0, 2**31 - 1))
def test_a_node_name_is_a_host_name(cluster: str, uuid: UUID, nodegroup: str, group_id: UUID, index: int) -> None:
    name = node_name(cluster, str(uuid), nodegroup, str(group_id), index)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert name.endswith(f"-{index}")


@given(
    cluster=names,
    uuid=st.uuids(),
    groups=st.lists(names, min_size=2, max_size=2, unique=True),
    ids=st.lists(st.uuids(), min_size=2, max_size=2, unique=True),
    indexes=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_nodes_of_two_nodegroups_never_share_a_name(
    cluster: str, uuid: UUID, groups: list[str], ids: list[UUID], indexes: tuple[int, int]
) -> None:
    first, second = (
        node_name(cluster, str(uuid), group, str(group_id), index)
        for group, group_id, index in zip(groups, ids, indexes, strict=True)
    )
    assert first != second


@given(st.uuids(), st.uuids(), st.integers(0, 20))
def test_a_nodegroup_named_like_another_ones_nodes_gets_other_names(one: UUID, other: UUID, index: int) -> None:
    derived = node_name("c", str(one), "GPU_pool", str(one), index)
    part = derived.removeprefix(f"c-{str(one)[-8:]}-").removesuffix(f"-{index}")
    if one != other:
        assert node_name("c", str(one), part, str(other), index) != derived


def test_plain_names_are_kept() -> None:
    assert node_name("c1", "0" * 36, "default-worker", "1" * 36, 7) == "c1-00000000-default-worker-7"


@given(
    uuid=st.uuids(),
    groups=st.lists(
        names | st.sampled_from(["a b", "a-b", "A-b", "n" * 242, "n" * 243]), min_size=2, max_size=2, unique=True
    ),
    shards=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 20)),
)
def test_stack_names_are_valid_and_differ(uuid: UUID, groups: list[str], shards: tuple[int, int]) -> None:
    first, second = (shard_stack(str(uuid), group, shard) for group, shard in zip(groups, shards, strict=True))
    for name in (first, second):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,254}", name)
        assert name != base_stack(str(uuid))
    assert first.lower() != second.lower(), "Heat on MySQL does not tell the case"
    assert shard_stack(str(uuid), groups[0], shards[0] - 1) != first


@given(st.from_regex(r"[a-z0-9_.-]{1,197}", fullmatch=True), names, st.integers(0, 5000))
def test_a_stack_name_that_was_valid_or_is_there_is_kept(valid: str, group: str, shard: int) -> None:
    assert shard_stack("1" * 36, valid, shard) == f"jeroboam-{'1' * 36}-{valid}-{shard}"
    there = f"jeroboam-{'1' * 36}-{group}-{shard}"
    assert shard_stack("1" * 36, group, shard, listed=[there]) == there


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
