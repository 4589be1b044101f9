"""Models of what is stored: tolerant of the version before and the version after, exact in what they write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.domain.kinds import OperationKind
from shared.operations.outputs import SelectedNodes, UpgradeTarget
from shared.operations.params import NodegroupLabels, NodegroupUpdateParams, ResizeParams, UpgradeParams
from shared.operations.stored import FollowUp, Wish


def test_only_what_was_given_is_written() -> None:
    assert ResizeParams(node_count=3, nodegroup="a").dump() == {"node_count": 3, "nodegroup": "a"}
    given = UpgradeParams(cluster_template_id="t", max_batch_size=1, nodegroup=None)
    assert given.dump() == {"cluster_template_id": "t", "max_batch_size": 1, "nodegroup": None}
    before = NodegroupLabels(node_labels={"a": "b"}, node_taints=[{"key": "k"}])
    assert NodegroupUpdateParams(nodegroup="n", before=before).dump() == {
        "nodegroup": "n",
        "before": {"node_labels": {"a": "b"}, "node_taints": [{"key": "k"}]},
    }


def test_what_comes_back_is_what_was_written() -> None:
    selected = SelectedNodes(shards=(("g", 1), ("g", 2)), leaving=("n",))
    assert selected.dump() == {"shards": [["g", 1], ["g", 2]], "leaving": ["n"]}
    assert SelectedNodes.load(selected.dump()) == selected


def test_what_a_newer_version_adds_is_left_aside_and_what_an_older_lacks_has_a_default() -> None:
    assert SelectedNodes.load({"leaving": ["n"], "added_later": True}) == SelectedNodes(leaving=("n",))
    assert ResizeParams.load({}).nodes_to_remove == ()
    assert NodegroupUpdateParams.load({"before": {}}).before == NodegroupLabels()
    deleting = FollowUp.load({"kind": "delete", "uuid": "u", "user_id": "x", "request_id": None, "timeout": None})
    assert (deleting.kind, deleting.wish, deleting.params) == (OperationKind.DELETE, None, {})


def test_a_value_of_another_type_is_not_read_as_something_else() -> None:
    with pytest.raises(ValidationError):
        UpgradeTarget.load({})
    with pytest.raises(ValidationError):
        SelectedNodes.load({"shards": "g 1"})


def test_the_later_wish_holds_for_counts_and_both_for_nodes() -> None:
    first, second = Wish(counts={"a": 1, "b": 2}, remove=("y",)), Wish(counts={"a": 5}, remove=("x",))
    assert first.joined_by(second) == Wish(counts={"a": 5, "b": 2}, remove=("x", "y"))
