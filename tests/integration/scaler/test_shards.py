"""Driving shards against a Heat that is slow, fails, and whose list is old: no call too many, no end too early."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jeroboam.driver import SecretKind
from services.scaler.steps.shards import ensure_shards
from shared.cloud.names import OWNED, shard_stack
from shared.db.engine import Database
from shared.domain.errors import PermanentError, TemporaryError
from shared.operations.node_tokens import SEED_SECRET
from shared.operations.outputs import NodeStacks
from shared.operations.plan import Done, Wait
from shared.pki.cluster_secrets import ensure_cluster_secrets
from shared.stacks.shard_template import node_indexes
from tests.support.scaler_stage import Stage, make_stage
from tests.support.scripted_heat import HeldStack, ScriptedHeat


class Shards:
    """The stage's workers 0 to 4 in stacks of two, as they were built: with user data nobody would render today."""

    def __init__(self, stage: Stage, heat: ScriptedHeat) -> None:
        self.stage = stage
        self.heat = heat

    def name(self, number: int) -> str:
        return shard_stack(self.stage.view.cluster_id, "workers", number)

    def held(self, number: int) -> HeldStack:
        return self.heat.held[self.name(number)]

    async def drive(self) -> Done | Wait:
        return await ensure_shards(self.stage.context, self.stage.view)

    async def took(self) -> list[tuple[str, int]]:
        """What one run of the step asked of Heat: (verb, shard), by shard since all are sent at the same time."""
        assert isinstance(await self.drive(), Wait)
        found = [(verb, int(name.rsplit("-", 1)[1])) for verb, name in self.heat.took()]
        return sorted(found, key=lambda call: call[1])

    def user_data(self, number: int) -> dict[str, str]:
        resources = self.held(number).template["resources"]
        return {name: body["properties"]["user_data"] for name, body in resources.items() if name.startswith("node-")}


@pytest.fixture
async def shards(database: Database, database_url: str) -> Shards:
    heat = ScriptedHeat()
    stage = await make_stage(database, database_url, heat)
    await ensure_cluster_secrets(
        database,
        stage.context.sealer,
        cluster_id=stage.view.cluster_id,
        cluster_name="c",
        kinds={SEED_SECRET: SecretKind.BOOTSTRAP_TOKEN},
    )
    made = Shards(stage, heat)
    for number, indexes in enumerate(([0, 1], [2, 3], [4])):
        resources = {
            f"node-{index}": {"type": "OS::Nova::Server", "properties": {"user_data": f"old {index}"}}
            for index in indexes
        }
        outputs = {f"node-{index}": {"value": index} for index in indexes}
        template = {"heat_template_version": "2018-08-31", "resources": resources, "outputs": outputs}
        heat.held[made.name(number)] = HeldStack(made.name(number), template, [OWNED], "CREATE_COMPLETE")
    return made


async def test_one_call_for_each_shard_and_none_twice(shards: Shards) -> None:
    await shards.stage.chosen(3)
    assert await shards.took() == [("update", 1), ("delete", 2)]
    assert await shards.took() == []
    assert node_indexes(shards.held(1).template) == {2}
    assert shards.user_data(1) == {"node-2": "old 2"}
    shards.heat.ends(shards.name(1), "COMPLETE")
    assert await shards.took() == []
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert await shards.drive() == Done(NodeStacks(stacks=2))
    assert shards.heat.took() == []


async def test_new_nodes_are_rendered_beside_those_that_stay(shards: Shards) -> None:
    await shards.stage.chosen(7)
    assert await shards.took() == [("update", 2), ("create", 3)]
    data = shards.user_data(2)
    assert data.pop("node-4") == "old 4"
    assert list(data) == ["node-5"]
    assert data["node-5"].startswith("#cloud-config")
    for number in (2, 3):
        shards.heat.ends(shards.name(number), "COMPLETE")
    assert isinstance(await shards.drive(), Done)
    nodes = await shards.stage.nodes()
    assert [nodes[f"worker-{index}"].server_id for index in (5, 6)] == ["server 5", "server 6"]
    assert [nodes[f"worker-{index}"].state for index in (4, 5, 6)] == ["joined", "creating", "creating"]


async def test_an_old_list_ends_nothing_too_early(shards: Shards) -> None:
    """It shows the stack complete as it was before; Heat is at it."""
    stage = shards.stage
    stage.view = replace(stage.view, params={"nodes_to_remove": [(await stage.nodes())["worker-2"].uuid]})
    await stage.chosen(4)
    shards.heat.grow_old()
    assert await shards.took() == [("update", 1)]
    assert await shards.took() == []
    shards.heat.snapshot = None
    shards.heat.ends(shards.name(1), "COMPLETE")
    assert await shards.drive() == Done(NodeStacks(stacks=1))


@pytest.mark.parametrize("now", ["gone", "DELETE_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
async def test_what_heat_refuses_because_the_list_was_old_is_looked_at_again(shards: Shards, now: str) -> None:
    await shards.stage.chosen(6)
    shards.heat.grow_old()
    name = shards.name(2)
    if now == "gone":
        del shards.heat.held[name]
    else:
        shards.held(2).status = now
    assert isinstance(await shards.drive(), Wait)
    shards.heat.snapshot = None
    shards.heat.took()
    if now != "gone":
        assert await shards.took() == []
        shards.heat.ends(name, "COMPLETE")
    assert await shards.took() == [("update" if now == "UPDATE_IN_PROGRESS" else "create", 2)]
    shards.heat.ends(name, "COMPLETE")
    assert isinstance(await shards.drive(), Done)


async def test_a_refusal_that_the_list_does_not_explain_is_one(shards: Shards) -> None:
    await shards.stage.chosen(6)
    shards.heat.refuses = "Property error: no such flavor"
    with pytest.raises(PermanentError, match="no such flavor"):
        await shards.drive()


async def test_what_an_earlier_wish_began_is_let_finish_and_then_changed(shards: Shards) -> None:
    await shards.stage.chosen(6)
    assert await shards.took() == [("update", 2)]
    shards.stage.view = replace(shards.stage.view, revision=1)
    await shards.stage.chosen(5)
    assert await shards.took() == [], "Heat is still at the first one"
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert await shards.took() == [("update", 2)]
    assert node_indexes(shards.held(2).template) == {4}
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert await shards.drive() == Done(NodeStacks(stacks=1))


async def test_a_change_that_holds_already_is_not_made_again(shards: Shards) -> None:
    """As after a retry: an earlier run has done it, and only the rows are left."""
    await shards.stage.chosen(4)
    assert await shards.took() == [("delete", 2)]
    await shards.stage.chosen(3)
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert await shards.took() == [("update", 1)]
    shards.heat.ends(shards.name(1), "COMPLETE")
    shards.stage.view = replace(shards.stage.view, retries=1)
    assert await shards.drive() == Done(NodeStacks(stacks=2))
    assert shards.heat.took() == []


async def test_a_shard_on_its_way_out_is_made_again_when_it_gets_nodes_again(shards: Shards) -> None:
    await shards.stage.chosen(4)
    assert await shards.took() == [("delete", 2)]
    shards.stage.view = replace(shards.stage.view, revision=1)
    await shards.stage.chosen(5)
    assert await shards.took() == []
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert await shards.took() == [("create", 2)]
    assert node_indexes(shards.held(2).template) == {5}


async def test_a_shard_that_did_not_go_and_gets_nodes_again_goes_first(shards: Shards) -> None:
    """Heat takes no update for a stack whose delete failed."""
    await shards.stage.chosen(4)
    assert await shards.took() == [("delete", 2)]
    shards.heat.ends(shards.name(2), "FAILED", "port in use")
    shards.stage.view = replace(shards.stage.view, revision=1)
    await shards.stage.chosen(5)
    with pytest.raises(TemporaryError, match="port in use"):
        await shards.drive()
    shards.heat.ends(shards.name(2), "COMPLETE")
    shards.heat.took()
    assert await shards.took() == [("create", 2)]


async def test_an_empty_shard_that_will_not_go_is_asked_again_with_heats_words(shards: Shards) -> None:
    await shards.stage.chosen(4)
    assert await shards.took() == [("delete", 2)]
    shards.heat.ends(shards.name(2), "FAILED", "Resource DELETE failed: port in use")
    with pytest.raises(TemporaryError, match="port in use"):
        await shards.drive()
    assert shards.heat.took() == [("delete", shards.name(2))]
    shards.heat.ends(shards.name(2), "COMPLETE")
    assert isinstance(await shards.drive(), Done)


async def test_a_failure_waits_for_the_others_and_is_mended_by_the_next_run(shards: Shards) -> None:
    await shards.stage.chosen(8)
    assert await shards.took() == [("update", 2), ("create", 3)]
    shards.heat.ends(shards.name(3), "FAILED", "No valid host was found.", node_7="No valid host was found.")
    assert await shards.took() == [], "the other shard is not through"
    shards.heat.ends(shards.name(2), "COMPLETE")
    with pytest.raises(PermanentError, match="No valid host was found"):
        await shards.drive()
    nodes = await shards.stage.nodes()
    assert (nodes["worker-7"].state, nodes["worker-7"].reason) == ("failed", "No valid host was found.")
    assert (nodes["worker-6"].state, nodes["worker-6"].server_id) == ("creating", "server 6")
    shards.held(3).template["resources"]["node-6"]["properties"]["user_data"] = "old 6"

    shards.stage.view = replace(shards.stage.view, retries=1)
    assert await shards.took() == [("update", 3)]
    data = shards.user_data(3)
    assert data["node-6"] == "old 6", "what was built is left alone"
    assert data["node-7"].startswith("#cloud-config")
    assert (await shards.stage.nodes())["worker-7"].state == "creating"
    shards.heat.ends(shards.name(3), "COMPLETE")
    assert isinstance(await shards.drive(), Done)


async def test_a_stack_that_fails_without_a_failed_node_fails_the_nodes_without_a_server(shards: Shards) -> None:
    await shards.stage.chosen(6)
    assert await shards.took() == [("update", 2)]
    resources = shards.held(2).template["resources"]
    shards.held(2).template["resources"] = {"node-4": resources["node-4"]}
    shards.heat.ends(shards.name(2), "FAILED", "Property error: no such flavor")
    with pytest.raises(PermanentError, match="no such flavor"):
        await shards.drive()
    nodes = await shards.stage.nodes()
    assert (nodes["worker-5"].state, nodes["worker-5"].reason) == ("failed", "Property error: no such flavor")
    assert nodes["worker-4"].state == "joined"


async def test_a_nodegroup_names_its_first_stack_or_none(shards: Shards) -> None:
    stage = shards.stage
    nodes = await stage.nodes()
    gone = [nodes["worker-0"].uuid, nodes["worker-1"].uuid]
    stage.view = replace(stage.view, params={"nodes_to_remove": gone})
    await stage.chosen(3)
    assert await shards.took() == [("delete", 0)]
    shards.heat.ends(shards.name(0), "COMPLETE")
    assert isinstance(await shards.drive(), Done)
    assert await stage.first_stack() == shards.held(1).id
    await stage.chosen(0)
    assert await shards.took() == [("delete", 1), ("delete", 2)]
    for number in (1, 2):
        shards.heat.ends(shards.name(number), "COMPLETE")
    assert isinstance(await shards.drive(), Done)
    assert await stage.first_stack() is None
