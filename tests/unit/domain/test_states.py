from __future__ import annotations

import pytest

from shared.domain.states import (
    CLUSTER_STATUSES,
    FINAL,
    LIVE,
    NODE_MOVES,
    OPERATION_MOVES,
    InvalidTransition,
    NodeState,
    OperationKind,
    OperationState,
    Outcome,
    check_node_move,
    check_operation_move,
    cluster_status,
)


def test_every_state_has_its_row() -> None:
    assert set(OPERATION_MOVES) == set(OperationState)
    assert set(NODE_MOVES) == set(NodeState)
    assert set(OperationState) == LIVE | FINAL
    assert not LIVE & FINAL


@pytest.mark.parametrize("old", OperationState)
@pytest.mark.parametrize("new", OperationState)
def test_a_move_is_in_the_table_or_raises(old: OperationState, new: OperationState) -> None:
    if new in OPERATION_MOVES[old]:
        check_operation_move(old, new)
    else:
        with pytest.raises(InvalidTransition, match=f"from {old} to {new}"):
            check_operation_move(old, new)


def test_the_only_way_back_from_an_end_is_a_retry() -> None:
    ways_back = [(old, new) for old in FINAL for new in OPERATION_MOVES[old]]
    assert ways_back == [(OperationState.FAILED, OperationState.QUEUED)]


def test_a_node_being_removed_never_comes_back() -> None:
    for state in NodeState:
        with pytest.raises(InvalidTransition):
            check_node_move(NodeState.REMOVING, state)


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_operation_shows_as_a_status_of_magnums(kind: OperationKind, outcome: Outcome) -> None:
    assert cluster_status(kind, outcome) in CLUSTER_STATUSES
