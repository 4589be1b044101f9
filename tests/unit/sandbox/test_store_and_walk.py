"""Indexes of the store, and the order in which a graph is worked through."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.openstack.heat.walk import reversed_graph, walk
from sandbox.openstack.store import Store, by

NAMES = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(st.sampled_from(["add", "update", "remove"]), st.integers(0, 6), NAMES, st.lists(NAMES))))
def test_an_index_always_says_what_a_scan_would_say(steps: list[tuple[str, int, str, list[str]]]) -> None:
    rows = Store().collection("things", name=by("name"), tag=lambda row: set(row["tags"]))
    for step, number, name, tags in steps:
        row = rows.get(str(number))
        if step == "add" and row is None:
            rows.add({"id": str(number), "name": name, "tags": tags})
        elif step == "update" and row is not None:
            rows.update(row, name=name, tags=tags)
        elif step == "remove":
            rows.remove(str(number))
    for key in ("a", "b", "c"):
        named = {row["id"] for row in rows if row["name"] == key}
        assert {row["id"] for row in rows.where("name", key)} == named
        assert rows.count("name", key) == len(named)
        assert {row["id"] for row in rows.where("tag", key)} == {row["id"] for row in rows if key in row["tags"]}


GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        *(st.sets(st.integers(0, number - 1)) if number else st.just(set()) for number in range(size))
    ).map(lambda needs: {str(n): {str(one) for one in needed} for n, needed in enumerate(needs)})
)


@given(graph=GRAPHS, parallelism=st.integers(1, 4), fails=st.integers(0, 15))
def test_a_node_is_begun_after_all_it_needs_and_never_after_a_failure(
    graph: dict[str, set[str]], parallelism: int, fails: int
) -> None:
    done: list[str] = []
    busy = 0

    async def work(node: str) -> bool:
        nonlocal busy
        busy += 1
        assert busy <= parallelism
        assert graph[node] <= set(done)
        await asyncio.sleep(0)
        busy -= 1
        if node == str(fails):
            return False
        done.append(node)
        return True

    success = asyncio.run(walk(graph, work, parallelism))
    assert success == (str(fails) not in graph)
    if success:
        assert set(done) == set(graph)


@given(graph=GRAPHS)
def test_turning_a_graph_twice_gives_it_back(graph: dict[str, set[str]]) -> None:
    assert reversed_graph(reversed_graph(graph)) == graph


def test_changes_are_noted_for_the_snapshot() -> None:
    store = Store()
    rows: Any = store.collection("things", name=by("name"))
    row = rows.add({"id": "1", "name": "x"})
    rows.update(row, name="y")
    rows.remove("1")
    assert store.dirty == {("things", "1")}
