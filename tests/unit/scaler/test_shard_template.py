"""Editing a shard's template: nodes that stay are left to the letter, the others go or come whole."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jeroboam.testing.cases import make_case
from shared.stacks.shard_template import EMPTY, edited, node_index, node_indexes
from tests.support.kubernetes import driver


def template(indexes: set[int], words: str) -> dict[str, Any]:
    """As drivers render it; `words` stand for whatever may differ between two renderings."""
    return {
        "heat_template_version": "2018-08-31",
        "description": words,
        "resources": {
            f"{kind}-{index}": {"type": kind, "properties": {"user_data": words}}
            for index in indexes
            for kind in ("port", "node", "fip")
        },
        "outputs": {f"node-{index}": {"value": words} for index in indexes},
    }


INDEXES = st.sets(st.integers(0, 120), max_size=8)


@given(INDEXES, INDEXES, INDEXES)
def test_what_stays_is_as_it_was_and_what_comes_is_new(held: set[int], kept: set[int], new: set[int]) -> None:
    old, fresh = template(held, "old"), template(new - kept, "new")
    before = copy.deepcopy((old, fresh))
    made = edited(old, fresh, kept)
    assert (old, fresh) == before, "the arguments are left alone"
    assert node_indexes(made) == (held & kept) | (new - kept)
    for section in ("resources", "outputs"):
        for name, body in made[section].items():
            assert body == (old if node_index(name) in kept else fresh)[section][name]
    assert edited(made, EMPTY, node_indexes(made)) == made, "an edit that is made again changes nothing"


def test_what_belongs_to_no_node_stays() -> None:
    held = template({0, 1}, "old")
    held["resources"]["group"] = {"type": "OS::Nova::ServerGroup"}
    made = edited(held, template({2}, "new"), {0})
    assert "group" in made["resources"]
    assert node_indexes(made) == {0, 2}


def test_a_drivers_shard_is_its_nodes_and_nothing_else() -> None:
    """What the edit rests on: a shard of some nodes is that part of the shard of all."""
    case = make_case(driver, "octavia")
    whole = case.shard("worker")
    assert all(node_index(name) is not None for name in (*whole["resources"], *whole["outputs"]))
    indexes = node_indexes(whole)
    gone = max(indexes)
    without = edited(whole, EMPTY, indexes - {gone})
    assert node_indexes(without) == indexes - {gone}
    assert edited(without, edited(whole, EMPTY, {gone}), indexes - {gone}) == whole
