"""Which nodes go: what was asked for, then what the cluster misses least, and never a master by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jeroboam.driver import NodeSpec
from shared.domain.states import NodeState
from shared.operations.nodes import next_indexes
from shared.steps.choose import leaving


def node(index: int, state: str = "joined", role: str = "worker") -> NodeSpec:
    return NodeSpec(f"n{index}", f"w-{index}", role, index, 0, "g", state)


def chosen(nodes: list[NodeSpec], count: int, *asked: str) -> list[int]:
    return [found.index for found in leaving(nodes, count, asked)]


def test_the_newest_go_first() -> None:
    assert chosen([node(index) for index in range(5)], 3) == [4, 3]


def test_what_does_not_work_goes_before_what_does() -> None:
    nodes = [node(0, "failed"), node(1, "creating"), node(2), node(3, "planned"), node(4, "announced"), node(5)]
    assert chosen(nodes, 4) == [3, 0]
    assert chosen(nodes, 1) == [3, 0, 4, 1, 5]


def test_what_was_asked_for_goes_whatever_the_count() -> None:
    nodes = [node(index) for index in range(4)]
    assert chosen(nodes, 4, "n1") == [1]
    assert chosen(nodes, 2, "n0", "n1", "n2") == [0, 1, 2]
    assert chosen(nodes, 1, "n0") == [0, 3, 2]


def test_nodes_on_their_way_out_do_not_count() -> None:
    assert chosen([node(0), node(1), node(2, "removing")], 2) == []
    assert chosen([node(0), node(1), node(2, "removing")], 2, "n2") == []


def test_masters_go_by_name_only() -> None:
    masters = [node(index, role="master") for index in range(3)]
    assert chosen(masters, 1) == []
    assert chosen(masters, 1, "n2") == [2]


NODES = st.lists(
    st.tuples(st.sampled_from(list(NodeState)), st.sampled_from(["worker", "worker", "master"])), max_size=12
).map(lambda drawn: [node(index, state, role) for index, (state, role) in enumerate(drawn)])


@given(NODES, st.integers(0, 14), st.sets(st.integers(0, 14).map("n{}".format)))
def test_the_choice(nodes: list[NodeSpec], count: int, asked: set[str]) -> None:
    going = leaving(nodes, count, asked)
    names = {found.uuid for found in going}
    present = [found for found in nodes if found.state != "removing"]
    staying = [found for found in present if found.uuid not in names]
    assert len(names) == len(going)
    assert {found.uuid for found in present} & asked <= names
    assert all(found.state != "removing" for found in going)
    unasked = [found for found in going if found.uuid not in asked]
    assert all(found.role == "worker" for found in unasked)
    # Never below the count by what nobody asked for, and down to it as far as there are workers.
    assert not unasked or len(staying) >= count
    if len(staying) > count:
        assert all(found.role == "master" for found in staying)
    broken = {"failed", "planned"}
    if any(found.state == "joined" for found in unasked):
        assert not any(found.state in broken for found in staying if found.role == "worker")


@given(NODES, st.integers(0, 14), st.sets(st.integers(0, 14).map("n{}".format)))
def test_a_choice_made_is_not_made_again(nodes: list[NodeSpec], count: int, asked: set[str]) -> None:
    """After a crash the same wish meets rows that are marked already."""
    names = {found.uuid for found in leaving(nodes, count, asked)}
    marked = [
        NodeSpec(found.uuid, found.name, found.role, found.index, 0, "g", "removing") if found.uuid in names else found
        for found in nodes
    ]
    assert leaving(marked, count, asked) == []


def test_lost_nodes_go_first_and_whatever_the_count() -> None:
    nodes = [node(0), replace(node(1, "failed"), lost=True), node(2, "failed"), node(3)]
    assert chosen(nodes, 4) == [1]
    assert chosen(nodes, 3) == [1]
    assert chosen(nodes, 2) == [1, 2]


def test_a_lost_master_stays_unless_it_is_named() -> None:
    masters = [replace(node(0, "failed", "master"), lost=True), node(1, role="master"), node(2, role="master")]
    assert chosen(masters, 3) == []
    assert chosen(masters, 2, "n0") == [0]


def test_an_engine_that_replaces_masters_replaces_a_lost_one() -> None:
    masters = [replace(node(0, "failed", "master"), lost=True), node(1, role="master"), node(2, role="master")]
    assert [each.index for each in leaving(masters, 3, (), replaces_masters=True)] == [0]
    assert leaving(masters[1:], 2, (), replaces_masters=True) == []


def unevenness(indexes: list[int], zones: int) -> int:
    """How many more nodes the fullest zone has than the emptiest."""
    filled = Counter(index % zones for index in indexes)
    return max(filled[zone] for zone in range(zones)) - min(filled[zone] for zone in range(zones))


def test_of_equals_one_of_the_fullest_zone_goes() -> None:
    nodes = [node(index) for index in (0, 1, 2, 4, 6)]  # zones 0 1 0 0 0
    assert [found.index for found in leaving(nodes, 3, [], zones=2)] == [6, 4]
    assert [found.index for found in leaving(nodes, 4, ["n6"], zones=2)] == [6]


def test_zones_do_not_keep_a_broken_node() -> None:
    nodes = [node(0), node(1, "failed"), node(2)]
    assert [found.index for found in leaving(nodes, 2, [], zones=2)] == [1]


@given(st.sets(st.integers(0, 40), max_size=20), st.integers(0, 20), st.integers(1, 5))
def test_scaling_down_never_makes_zones_less_even(present: set[int], count: int, zones: int) -> None:
    going = {found.index for found in leaving([node(index) for index in present], count, [], zones=zones)}
    left = sorted(present - going)
    assert len(left) == min(len(present), count)
    assert unevenness(left, zones) <= max(1, unevenness(sorted(present), zones))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 5))
def test_zones_stay_even_over_any_history_of_sizes(sizes: list[int], zones: int) -> None:
    present: list[int] = []
    first = 0
    for size in sizes:
        going = {found.index for found in leaving([node(index) for index in present], size, [], zones=zones)}
        present = [index for index in present if index not in going]
        made = next_indexes(first, size - len(present), present, zones)
        assert made == sorted(set(made)) and all(index >= first for index in made)
        first = made[-1] + 1 if made else first
        present += made
        assert len(present) == size
        assert unevenness(present, zones) <= 1


@given(st.sets(st.integers(0, 20), max_size=10), st.integers(0, 10), st.integers(1, 5))
def test_growing_evens_zones_out(present: set[int], count: int, zones: int) -> None:
    made = next_indexes(21, count, sorted(present), zones)
    assert unevenness([*present, *made], zones) <= max(1, unevenness(sorted(present), zones))
    assert zones > 1 or made == list(range(21, 21 + count)), "without zones, no index is skipped"
