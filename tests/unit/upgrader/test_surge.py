"""The order in which machines are replaced: new ones join first, masters one at a time, and every start ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jeroboam.driver import MASTER, WORKER, NodeSpec
from services.upgrader.surge import Do, Move, next_move


def node(index: int, state: str = "joined", role: str = WORKER) -> NodeSpec:
    return NodeSpec(f"n{index}", f"w-{index}", role, index, 0, "g", state)


def some(count: int, role: str = WORKER) -> list[NodeSpec]:
    return [node(index, role=role) for index in range(count)]


def old(count: int) -> set[str]:
    return {f"n{index}" for index in range(count)}


def walk(nodes: list[NodeSpec], outdated: set[str], count: int, batch: int) -> Iterator[tuple[Move, list[NodeSpec]]]:
    """Every move and the nodes after it, until nothing is left to do."""
    following = max((each.index for each in nodes), default=-1) + 1
    for _ in range(20 * (len(nodes) + count + 1)):
        move = next_move(nodes, outdated, count, batch)
        if move.do in (Do.NOTHING, Do.REFUSE):
            yield move, nodes
            return
        if move.do is Do.ADD:
            role = nodes[0].role
            nodes = [*nodes, *(node(following + number, "planned", role) for number in range(move.number))]
            following += move.number
        elif move.do is Do.REMOVE:
            nodes = [each for each in nodes if each.uuid not in move.nodes]
        else:
            state = "removing" if move.do is Do.MARK else "joined"
            nodes = [replace(each, state=state) if each.uuid in move.nodes else each for each in nodes]
        yield move, nodes
    raise AssertionError("it does not end")


def test_two_join_then_two_leave_and_the_rest_follows() -> None:
    moves = [(move.do, move.number or len(move.nodes)) for move, _ in walk(some(3), old(3), 3, 2)]
    round_of = [(Do.BUILD, 2), (Do.MARK, 2), (Do.REMOVE, 2)]
    assert moves == [
        (Do.ADD, 2), *round_of, (Do.ADD, 1), (Do.BUILD, 1), (Do.MARK, 1), (Do.REMOVE, 1), (Do.NOTHING, 0),
    ]  # fmt: skip


def test_what_does_not_work_leaves_first() -> None:
    nodes = [node(0), node(1, "failed"), node(2), node(3)]
    assert next_move(nodes, old(3), 3, 1) == Move(Do.MARK, ["n1"])


def test_what_an_upgrade_back_does_not_need_is_removed_and_not_built() -> None:
    nodes = [*some(3), node(3, "failed")]
    assert next_move(nodes, set(), 3, 1) == Move(Do.MARK, ["n3"]), "it has no machine"
    assert next_move(nodes, {"n3"}, 3, 1) == Move(Do.MARK, ["n3"]), "it has one of the other image"
    assert next_move(some(3), set(), 3, 1).do is Do.NOTHING


def test_masters_leave_in_the_engines_order_but_a_broken_one_first() -> None:
    nodes = [*some(3, MASTER), node(3, role=MASTER)]
    assert next_move(nodes, old(3), 3, 1, order=["n1", "n2", "n0"]) == Move(Do.MARK, ["n1"])
    nodes[2] = node(2, "failed", MASTER)
    assert next_move(nodes, old(3), 3, 1, order=["n1", "n2", "n0"]) == Move(Do.MARK, ["n2"])


@pytest.mark.parametrize("surplus", [0, 1])
def test_no_master_is_replaced_while_others_do_not_work(surplus: int) -> None:
    nodes = some(3 + surplus, MASTER)
    broken = range(surplus + 1)
    nodes = [node(each.index, "failed", MASTER) if each.index in broken else each for each in nodes]
    assert next_move(nodes, old(3), 3, 1) == Move(Do.REFUSE, [f"n{index}" for index in broken])


states = st.sampled_from(["joined", "joined", "joined", "failed", "planned", "announced", "removing"])


@given(
    st.lists(st.tuples(states, st.booleans()), min_size=1, max_size=8),
    st.integers(0, 8),
    st.integers(1, 4),
)
def test_every_start_ends_with_new_nodes_only(start: list[tuple[str, bool]], count: int, batch: int) -> None:
    nodes = [node(index, state) for index, (state, _) in enumerate(start)]
    outdated = {f"n{index}" for index, (_, is_old) in enumerate(start) if is_old}
    working = sum(each.state == "joined" for each in nodes)
    for move, left in walk(nodes, outdated, count, batch):
        now = sum(each.state == "joined" for each in left)
        assert now >= min(working, count), "it never has fewer working nodes because of the upgrade"
        working = max(now, min(working, count))
        assert len(left) <= max(len(nodes), count + batch)
        last, nodes_now = move, left
    assert last.do is Do.NOTHING
    assert not outdated & {each.uuid for each in nodes_now}
    assert all(each.state == "joined" for each in nodes_now)


@given(st.sampled_from([1, 3, 5]))
def test_masters_change_one_at_a_time(count: int) -> None:
    numbers = [len(left) for _, left in walk(some(count, MASTER), old(count), count, 1)]
    assert set(numbers) == {count, count + 1}
