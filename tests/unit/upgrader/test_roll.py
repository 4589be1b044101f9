"""Whose turn it is: never too many away, nobody begun after a failure, and it always ends."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.upgrader.roll import Progress, next_turn


def test_nothing_to_do_is_over_at_once() -> None:
    assert next_turn([], {}, 1).over
    done = {"a": Progress(0)}
    assert next_turn(["a"], done, 1).over
    assert next_turn(["a"], done, 1).done == ["a"]


def test_the_next_action_goes_out_when_the_last_one_ended() -> None:
    assert next_turn(["a"], {"a": Progress(3, sent=1, finished=0)}, 1).send == []
    assert next_turn(["a"], {"a": Progress(3, sent=1, finished=1)}, 1).send == ["a"]


def test_after_a_failure_those_away_come_back_and_nobody_else_goes() -> None:
    nodes = {
        "a": Progress(2, sent=1, failure="no"),
        "b": Progress(2, sent=1, finished=1),
        "c": Progress(2),
    }
    turn = next_turn(list(nodes), nodes, 2)
    assert (turn.send, turn.over) == (["b"], False)
    turn = next_turn(list(nodes), nodes | {"b": Progress(2, sent=2, finished=2)}, 2)
    assert (turn.send, turn.over, turn.done, dict(turn.failures)) == ([], True, ["b"], {"a": "no"})


@given(
    actions=st.lists(st.integers(0, 4), max_size=12),
    batch=st.integers(1, 5),
    fails=st.sets(st.integers(0, 40)),
    answers=st.randoms(use_true_random=False),
)
def test_it_always_ends(actions: list[int], batch: int, fails: set[int], answers: st.DataObject) -> None:
    order = [f"n{number}" for number in range(len(actions))]
    nodes = {name: Progress(count) for name, count in zip(order, actions, strict=True)}
    for answered in range(sum(actions) + 1):
        turn = next_turn(order, nodes, batch)
        failed_before = any(node.failure for node in nodes.values())
        for name in turn.send:
            assert nodes[name].sent == nodes[name].finished < nodes[name].actions
            assert not (failed_before and nodes[name].sent == 0)
            nodes[name] = replace(nodes[name], sent=nodes[name].sent + 1)
        away = [name for name in order if nodes[name].away]
        assert len(away) <= batch
        if turn.over:
            break
        # Any one of those away answers.
        name = answers.choice(away)  # type: ignore[attr-defined]
        failed = answered in fails
        nodes[name] = replace(
            nodes[name],
            finished=nodes[name].finished + (not failed),
            failure="no" if failed else None,
        )
    assert turn.over
    assert turn.failures or turn.done == order
