"""Stacks: made once, changed exactly, failing with the true reason, gone when deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.cloud.contract import Cloud
from shared.domain.errors import NotFound, PermanentError

Shard = Callable[..., dict[str, Any]]


async def test_from_create_to_delete(cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str) -> None:
    made = await stacks.create(shard(0, 1))
    assert made.name == stacks.name
    done = await stacks.settled(made.id)
    assert done.status == "CREATE_COMPLETE"
    assert set(done.tags) == {stacks.tag, "shard"}
    assert done.outputs["address-0"].startswith("10.0.0.")
    assert done.outputs["address-0"] != done.outputs["address-1"]
    by_name = await cloud.find_stack(stacks.name)
    assert by_name is not None
    assert by_name.id == made.id

    resources = {r.name: r for r in await cloud.stack_resources(made.id)}
    assert set(resources) == {"network", "subnet", "port-0", "node-0", "port-1", "node-1"}
    assert all(r.status == "CREATE_COMPLETE" and r.physical_id for r in resources.values())
    assert resources["node-0"].type == "OS::Nova::Server"

    servers = {s.name: s for s in await cloud.list_servers(cluster_id=cluster_id)}
    assert set(servers) == {"node-0", "node-1"}
    assert servers["node-0"].id == resources["node-0"].physical_id
    assert servers["node-0"].status == "ACTIVE"
    assert servers["node-0"].metadata["jeroboam_node"] == "node-0"
    assert servers["node-0"].addresses == (done.outputs["address-0"],)

    await cloud.delete_stack(made.id)
    await stacks.gone(stacks.name)
    assert await cloud.find_stack(made.id) is None
    assert await cloud.list_stacks(tag=stacks.tag) == []
    assert await cloud.list_servers(cluster_id=cluster_id) == []
    await cloud.delete_stack(made.id)
    await cloud.delete_stack(stacks.name)


async def test_an_update_changes_the_named_nodes_and_no_other(
    cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str
) -> None:
    made = await stacks.create(shard(0, 1))
    await stacks.settled(made.id)
    before = {s.name: s.id for s in await cloud.list_servers(cluster_id=cluster_id)}
    await cloud.update_stack(made.id, shard(1, 7), tags=[stacks.tag, "new"], timeout_minutes=30)
    done = await stacks.settled(made.id)
    assert done.status == "UPDATE_COMPLETE"
    assert "new" in done.tags
    assert set(done.outputs) == {"address-1", "address-7"}
    after = {s.name: s.id for s in await cloud.list_servers(cluster_id=cluster_id)}
    assert set(after) == {"node-1", "node-7"}
    assert after["node-1"] == before["node-1"]


async def test_the_template_comes_back_as_it_was_given(cloud: Cloud, stacks: Any, shard: Shard) -> None:
    """Also in the middle of things, and after an update the new one."""
    given = shard(0)
    made = await stacks.create(given)
    for template in (given, shard(0, 3)):
        held = await cloud.stack_template(made.id)
        assert held["resources"] == template["resources"]
        assert held["outputs"] == template["outputs"]
        await stacks.settled(made.id)
        if template is given:
            await cloud.update_stack(made.id, shard(0, 3), tags=[stacks.tag], timeout_minutes=30)


async def test_an_edited_template_leaves_the_other_servers_alone(
    cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str
) -> None:
    """Nodes are added by what they would be today; those that stay are not touched by what changed since."""
    made = await stacks.create(shard(0, 1))
    await stacks.settled(made.id)
    before = {s.name: (s.id, s.addresses) for s in await cloud.list_servers(cluster_id=cluster_id)}
    held, fresh = await cloud.stack_template(made.id), shard(2)
    fresh["resources"]["node-2"]["properties"]["user_data"] = "#cloud-config\n{runcmd: [date]}\n"
    held["resources"] |= {name: fresh["resources"][name] for name in ("port-2", "node-2")}
    held["outputs"] |= fresh["outputs"]
    del held["resources"]["port-1"], held["resources"]["node-1"], held["outputs"]["address-1"]
    await cloud.update_stack(made.id, held, tags=[stacks.tag], timeout_minutes=30)
    assert (await stacks.settled(made.id)).status == "UPDATE_COMPLETE"
    after = {s.name: (s.id, s.addresses) for s in await cloud.list_servers(cluster_id=cluster_id)}
    assert set(after) == {"node-0", "node-2"}
    assert after["node-0"] == before["node-0"]


async def test_other_user_data_makes_another_server(cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str) -> None:
    """Why nodes that stay must keep theirs to the letter. Its port and address stay."""
    template = shard(0, 1)
    made = await stacks.create(template)
    await stacks.settled(made.id)
    before = {s.name: s for s in await cloud.list_servers(cluster_id=cluster_id)}
    template["resources"]["node-1"]["properties"]["user_data"] = "#cloud-config\n{runcmd: [date]}\n"
    await cloud.update_stack(made.id, template, tags=[stacks.tag], timeout_minutes=30)
    assert (await stacks.settled(made.id)).status == "UPDATE_COMPLETE"
    # Nova shows addresses from a cache, which it fills again when Neutron has told it of the port.
    async with asyncio.timeout(60):
        while True:
            after = {s.name: s for s in await cloud.list_servers(cluster_id=cluster_id)}
            if after["node-1"].addresses:
                break
            await asyncio.sleep(1)
    assert after["node-0"].id == before["node-0"].id
    assert after["node-1"].id != before["node-1"].id
    assert after["node-1"].addresses == before["node-1"].addresses


async def test_an_update_mends_what_failed_and_no_more(
    cloud: Cloud, stacks: Any, shard: Shard, names: dict[str, str], cluster_id: str
) -> None:
    """What failed is built again, also by the same template; the rest stays."""
    template = shard(0, 1)
    template["resources"]["node-1"]["properties"]["flavor"] = names["impossible_flavor"]
    template["resources"]["node-1"]["depends_on"] = ["node-0"]
    made = await stacks.create(template)
    assert (await stacks.settled(made.id)).status == "CREATE_FAILED"
    before = {s.name: s.id for s in await cloud.list_servers(cluster_id=cluster_id)}
    await cloud.update_stack(made.id, template, tags=[stacks.tag, "again"], timeout_minutes=30)
    assert (await stacks.settled(made.id)).status == "UPDATE_FAILED"
    template["resources"]["node-1"]["properties"]["flavor"] = names["flavor"]
    await cloud.update_stack(made.id, template, tags=[stacks.tag, "mended"], timeout_minutes=30)
    assert (await stacks.settled(made.id)).status == "UPDATE_COMPLETE"
    after = {s.name: s for s in await cloud.list_servers(cluster_id=cluster_id)}
    assert set(after) == {"node-0", "node-1"}
    assert after["node-0"].id == before["node-0"]
    assert after["node-1"].status == "ACTIVE"


async def test_a_create_that_is_repeated_finds_its_stack(cloud: Cloud, stacks: Any, shard: Shard) -> None:
    first = await stacks.create(shard())
    second = await stacks.create(shard())
    assert second.id == first.id
    await stacks.settled(first.id)
    third = await stacks.create(shard())
    assert third.id == first.id
    assert third.complete
    assert len(await cloud.list_stacks(tag=stacks.tag)) == 1


async def test_a_failure_says_why_and_keeps_what_was_made(
    cloud: Cloud, stacks: Any, shard: Shard, names: dict[str, str], cluster_id: str
) -> None:
    made = await stacks.create(shard(0, flavor=names["impossible_flavor"]))
    done = await stacks.settled(made.id)
    assert done.status == "CREATE_FAILED"
    assert "resources.node-0" in done.status_reason
    assert "No valid host was found" in done.status_reason
    resources = {r.name: r for r in await cloud.stack_resources(made.id)}
    assert resources["node-0"].status == "CREATE_FAILED"
    assert "No valid host was found" in resources["node-0"].status_reason
    # No rollback: the network stands, and the server can still be asked.
    assert resources["network"].status == "CREATE_COMPLETE"
    (server,) = await cloud.list_servers(cluster_id=cluster_id)
    assert server.status == "ERROR"
    assert "No valid host was found" in server.fault

    await cloud.delete_stack(made.id)
    await stacks.gone(made.id)
    assert await cloud.inventory(cluster_id=cluster_id, server_ids=[server.id]) == []


async def test_a_stack_can_be_deleted_while_it_is_made(
    cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str
) -> None:
    made = await stacks.create(shard(0, 1, 2))
    await cloud.delete_stack(made.id)
    await stacks.gone(made.id)
    assert await cloud.inventory(cluster_id=cluster_id) == []


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"x": {"type": "OS::No::Such"}}, "OS::No::Such"),
        ({"x": {"type": "OS::Neutron::Net", "properties": {"colour": "red"}}}, "colour"),
        ({"x": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "y"}}}}, "y"),
    ],
)
async def test_a_bad_template_is_refused_with_heats_words(
    cloud: Cloud, stacks: Any, resources: dict[str, Any], words: str
) -> None:
    with pytest.raises(PermanentError, match=words):
        await stacks.create({"heat_template_version": "2018-08-31", "resources": resources})
    assert await cloud.find_stack(stacks.name) is None


async def test_what_is_not_there(cloud: Cloud, shard: Shard, cluster_id: str) -> None:
    for missing in (cluster_id, f"jeroboam-{cluster_id}", "..", ""):
        assert await cloud.find_stack(missing) is None
        await cloud.delete_stack(f"jeroboam-{cluster_id}")
    with pytest.raises(NotFound):
        await cloud.update_stack(cluster_id, shard(), tags=[], timeout_minutes=5)
    with pytest.raises(NotFound):
        await cloud.stack_resources(cluster_id)
    with pytest.raises(NotFound):
        await cloud.stack_template(cluster_id)
    assert await cloud.list_stacks(tag=f"jeroboam-cluster-{cluster_id}") == []


async def test_a_list_holds_the_tagged_stacks_only_and_no_outputs(
    cloud: Cloud, stacks: Any, shard: Shard, cluster_id: str
) -> None:
    first = await stacks.create(shard(), name=f"jeroboam-{cluster_id}-a")
    second = await stacks.create(shard(), name=f"jeroboam-{cluster_id}-b")
    found = await cloud.list_stacks(tag=stacks.tag)
    assert {s.id for s in found} == {first.id, second.id}
    assert all(not s.outputs and stacks.tag in s.tags for s in found)


async def test_another_projects_stack_is_not_there(cloud: Cloud, other_cloud: Cloud, stacks: Any, shard: Shard) -> None:
    made = await stacks.create(shard())
    assert await other_cloud.find_stack(made.id) is None
    assert await other_cloud.find_stack(stacks.name) is None
    assert await other_cloud.list_stacks(tag=stacks.tag) == []
    await other_cloud.delete_stack(made.id)
    assert await cloud.find_stack(made.id) is not None
