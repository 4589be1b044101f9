"""What every driver must keep, whatever engine it makes."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sandbox.openstack.testing import TestCloud, running_cloud
from shared.drivers.agent import bundle
from shared.drivers.base import Bootstrap
from shared.drivers.driver import Driver
from shared.drivers.registry import drivers, find_driver
from shared.steps.shard_template import node_index
from tests.support.driver_cases import API_URL, TOKEN, Case, make_case

# Heat's `max_json_body_size`, as it comes.
HEAT_REQUEST = 1024 * 1024
METADATA = {"jeroboam_cluster", "jeroboam_nodegroup", "jeroboam_node"}


def templates(case: Case) -> dict[str, Any]:
    return {
        "base": case.driver.base_stack(case.cluster, case.groups),
        "masters": case.shard("master"),
        "workers": case.shard("worker"),
    }


def everything(case: Case) -> str:
    """All a driver renders, as one text."""
    bootstraps = [(node.uuid, found.script, [dict(file) for file in found.files]) for node, found in case.bootstraps()]
    return json.dumps([templates(case), [case.user_data(node) for node in case.nodes], bootstraps])


def references(value: Any) -> Iterator[str]:
    """Names a template's functions refer to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "get_resource":
                yield inner
            elif key == "get_attr":
                yield inner[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_driver_is_found_by_what_it_provides(driver: Driver) -> None:
    assert drivers()[driver.name] is driver
    assert find_driver(driver.coe, driver.os_distros[0], driver.server_types[0]) is driver
    assert find_driver(driver.coe, "no-such-os", driver.server_types[0]) is None


def test_it_is_pure(case: Case) -> None:
    before = copy.deepcopy((case.cluster, case.groups, case.nodes))
    assert everything(case) == everything(case)
    assert (case.cluster, case.groups, case.nodes) == before


def test_the_sample_is_accepted(case: Case) -> None:
    assert case.driver.problems(case.cluster, case.groups) == []
    needs = case.driver.needs(case.cluster, case.groups)
    assert all(isinstance(count, int) and count >= 0 for count in needs.values())


def test_templates_are_whole(case: Case) -> None:
    for name, template in templates(case).items():
        json.dumps(template)
        assert template["heat_template_version"] == "2018-08-31"
        unknown = set(references(template)) - template["resources"].keys()
        assert not unknown, f"{name} refers to {unknown}"
        for body in template["resources"].values():
            assert set(body.get("depends_on", [])) <= template["resources"].keys()


def test_outputs_are_there(case: Case) -> None:
    made = templates(case)
    assert {"api_address", "api_private_address"} <= made["base"]["outputs"].keys()
    for role, shard in (("master", made["masters"]), ("worker", made["workers"])):
        nodes = [node for node in case.nodes if node.role == role]
        assert shard["outputs"].keys() == {f"node-{node.index}" for node in nodes}
        for output in shard["outputs"].values():
            assert output["value"].keys() == {"server_id", "ip_address", "floating_ip"}


def test_servers_carry_their_origin(case: Case) -> None:
    for role in ("master", "worker"):
        resources = case.shard(role)["resources"]
        for node in (node for node in case.nodes if node.role == role):
            server = resources[f"node-{node.index}"]
            assert server["type"] == "OS::Nova::Server"
            assert server["properties"]["name"] == node.name
            metadata = server["properties"]["metadata"]
            assert metadata.keys() == METADATA
            assert metadata["jeroboam_node"] == node.uuid


def test_removing_a_node_touches_nothing_else(case: Case) -> None:
    workers = [node for node in case.nodes if node.role == "worker"]
    both: Any = case.shard("worker", workers)["resources"]
    one: Any = case.shard("worker", workers[1:])["resources"]
    assert one.items() <= both.items()
    gone = {name for name in both if name not in one}
    assert gone and all(name.endswith(f"-{workers[0].index}") for name in gone)


def test_everything_in_a_shard_is_of_a_node_and_named_so(case: Case) -> None:
    """A shard is changed by editing what Heat holds, so its parts must tell whose they are."""
    for role in ("master", "worker"):
        shard = case.shard(role)
        indexes = {node.index for node in case.nodes if node.role == role}
        for section in ("resources", "outputs"):
            assert {node_index(name) for name in shard[section]} == indexes


def test_nodes_that_go_are_each_emptied_once_by_one_that_stays(case: Case) -> None:
    nodes = [replace(node, state="joined") for node in case.nodes]
    leaving = [replace(node, state="removing") for node in nodes if node.role == "worker"]
    staying = {node.uuid for node in nodes if node.role == "master"}
    everybody = [*(node for node in nodes if node.role == "master"), *leaving]
    found = case.driver.removals(case.cluster, leaving, everybody, seconds=60)
    about = [uuid for removal in found for uuid in removal.nodes]
    assert len(about) == len(set(about))
    assert set(about) <= {node.uuid for node in leaving}
    assert {removal.action.node_id for removal in found} <= staying
    assert case.driver.removals(case.cluster, leaving, leaving, seconds=60) == []


def test_a_node_is_told_of_authorities_by_its_own_agent_and_by_no_secret(case: Case) -> None:
    nodes = [replace(node, state="joined") for node in case.nodes]
    masters = [node for node in nodes if node.role == "master"]
    for node in nodes:
        actions = case.driver.certificate_actions(node)
        assert {action.node_id for action in actions} == {node.uuid}
        assert not any(secret in str(action.args) for action in actions for secret in case.private)
    assert {action.node_id for action in case.driver.trust_refresh(masters)} <= {node.uuid for node in masters}
    assert case.driver.trust_refresh([]) == []


def test_user_data_holds_the_one_time_token_and_no_other_secret(case: Case) -> None:
    for node in case.nodes:
        text = case.user_data(node)
        assert text.count(TOKEN) == 1
        assert API_URL in text
        assert node.uuid in text
        for secret in case.private:
            assert secret not in text
        assert "PRIVATE KEY" not in text


def test_stacks_hold_no_secret(case: Case) -> None:
    text = json.dumps(templates(case))
    for secret in (*case.private, *(each.secret for each in case.secrets.values())):
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text


def test_keys_reach_masters_only(case: Case) -> None:
    for node, found in case.bootstraps():
        text = found.script + "".join(file["content"] for file in found.files)
        if node.role != "master":
            assert "PRIVATE KEY" not in text
            assert [secret for secret in case.private if secret in text] == []
        for file in found.files:
            secret = any(text in file["content"] for text in (*case.private, "PRIVATE KEY"))
            assert not secret or int(file["mode"], 8) & 0o077 == 0, f"{file['path']} can be read by others"


def test_every_node_gets_its_turn(case: Case) -> None:
    assert {node.uuid for node, _ in case.bootstraps()} == {node.uuid for node in case.nodes}


def test_bootstraps_can_be_written_and_run(case: Case) -> None:
    for node, found in case.bootstraps():
        for file in found.files:
            assert file.keys() == {"path", "content", "mode"}
            assert file["path"].startswith("/") and ".." not in file["path"]
            assert re.fullmatch(r"0[0-7]{3}", file["mode"])
        paths = [file["path"] for file in found.files]
        assert len(paths) == len(set(paths))
        check_shell(found, case, node.name)


def check_shell(found: Bootstrap, case: Case, name: str) -> None:
    text = bundle.render(found, case.driver.coe_version(case.cluster))
    checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False)
    assert checked.returncode == 0, f"{name}: {checked.stderr}"


def test_a_client_configuration_is_short_lived(case: Case) -> None:
    config = case.driver.client_config(
        case.cluster,
        api_address=case.driver.api_url(case.cluster, case.outputs()),
        secrets=case.secrets,
        user="somebody",
        groups=["some:group"],
        lifetime=timedelta(hours=2),
    )
    assert config.expires_in == timedelta(hours=2)
    assert "203.0.113.7" in config.content
    assert [secret for secret in case.private if secret in config.content] == []


def test_a_full_shard_fits_a_request_to_heat(driver: Driver) -> None:
    case = make_case(driver, "octavia", workers=50)
    body = {"stack_name": "x" * 80, "template": case.shard("worker"), "tags": "x" * 300}
    assert len(json.dumps(body)) < HEAT_REQUEST / 1.5, "there must be room for a longer CA and more files"


@pytest.fixture
async def openstack() -> Any:
    async with running_cloud() as cloud:
        yield cloud


async def test_heat_takes_the_templates(case: Case, openstack: TestCloud) -> None:
    import httpx

    from tests.support.client import issue_token

    token = await issue_token(openstack.auth_url)
    real = {"id-of-public": openstack.external_network, "m1": openstack.flavor, "ubuntu": openstack.image}
    project = openstack.project_ids["demo"]
    async with httpx.AsyncClient(headers={"X-Auth-Token": token}, trust_env=False, timeout=20) as http:
        for name, template in templates(case).items():
            text = json.dumps(template)
            for made_up, known in real.items():
                text = text.replace(f'"{made_up}"', f'"{known}"')
            url = f"{openstack.url}/orchestration/v1/{project}/validate"
            answer = await http.post(url, json={"template": json.loads(text)})
            assert answer.status_code == 200, f"{name}: {answer.text}"
