"""Tests that every combination of engine, operating system and hardware must pass."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from jeroboam.driver import (
    BOOTSTRAP,
    JOINED,
    MASTER,
    REMOVING,
    WORKER,
    Access,
    Bootstrap,
    Capability,
    EndpointMode,
    Impossible,
    SecretKind,
    Sizes,
)
from jeroboam.testing.cases import API_URL, NOW, TOKEN, Case, make_case
from shared.drivers import checks
from shared.drivers.agent import bundle
from shared.drivers.driver import Driver
from shared.drivers.registry import find_driver
from shared.stacks.shard_template import node_index

# The default of Heat's `max_json_body_size`.
HEAT_REQUEST = 1024 * 1024
METADATA = {"jeroboam_cluster", "jeroboam_nodegroup", "jeroboam_node"}
ROLES = (MASTER, WORKER)


def templates(case: Case) -> dict[str, Any]:
    return {
        "base": case.base(),
        "masters": case.shard(MASTER),
        "workers": case.shard(WORKER),
    }


def everything(case: Case) -> str:
    """Everything that a driver renders, as one text."""
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


def test_the_driver_is_found_by_what_it_provides(jeroboam_driver: Driver) -> None:
    engine, system, hardware = jeroboam_driver.engine, jeroboam_driver.operating_system, jeroboam_driver.hardware
    assert find_driver(engine.coes[0], system.distros[0], hardware.server_types[0]) == jeroboam_driver
    assert find_driver(engine.coes[0], "no-such-os", hardware.server_types[0]) is None


def test_declarations_fit_each_other(jeroboam_driver: Driver) -> None:
    engine = jeroboam_driver.engine
    assert engine.capabilities <= set(Capability)
    for name in engine.authorities.values():
        assert engine.secrets[name] is SecretKind.CA
    if Capability.ROTATE_CA in engine.capabilities:
        assert SecretKind.CA in engine.secrets.values()
    for name in engine.facts:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name)


def test_labels_are_described(jeroboam_driver: Driver) -> None:
    specs = jeroboam_driver.engine.labels()
    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", spec.name)
        assert spec.type and spec.meaning.strip() and not spec.meaning.endswith("."), spec


def test_an_invalid_label_is_rejected_by_name(jeroboam_driver: Driver) -> None:
    """What a label's type excludes is a problem that names the label."""
    case = make_case(jeroboam_driver)
    for spec in jeroboam_driver.engine.labels():
        if spec.type.startswith(("whole number", "true or false", "one of ")):
            wrong = case.with_labels(**{spec.name: "no-such-value"})
            found = case.engine.problems(wrong.cluster, wrong.groups)
            assert any(spec.name in text for text in found), f"label {spec.name} is {spec.type}, and not checked"


def test_a_cluster_starts_with_masters(jeroboam_driver: Driver) -> None:
    groups = jeroboam_driver.engine.default_nodegroups(Sizes(3, 5, "m1.small", "m1.large"))
    assert [group.node_count for group in groups if group.role == MASTER] == [3]
    assert len({group.name for group in groups}) == len(groups)
    assert sum(group.node_count for group in groups) >= 3 + 5
    for group in groups:
        assert group.min_node_count <= group.node_count


def test_the_endpoint_and_both_roles_are_declared(case: Case) -> None:
    wanted = case.engine.infrastructure(case.cluster, case.groups)
    assert wanted.endpoint_ports and all(0 < port < 65536 for port in wanted.endpoint_ports)
    assert set(ROLES) <= wanted.rules.keys()
    assert wanted.health_path is None or re.fullmatch(r"/[!-~]*", wanted.health_path)


def test_it_is_pure(case: Case) -> None:
    before = copy.deepcopy((case.cluster, case.groups, case.nodes))
    assert everything(case) == everything(case)
    assert (case.cluster, case.groups, case.nodes) == before


def test_the_sample_is_accepted(case: Case) -> None:
    problems = checks.problems(case.engine, case.cluster, case.groups)
    if case.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
        # Not every operating system has what is needed for an address that masters share.
        problems = [text for text in problems if not text.startswith("master_lb_enabled: ")]
    assert problems == []
    needs = checks.needs(case.engine, case.cluster, case.groups)
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
    for role, shard in ((MASTER, made["masters"]), (WORKER, made["workers"])):
        nodes = [node for node in case.nodes if node.role == role]
        assert shard["outputs"].keys() == {f"node-{node.index}" for node in nodes}
        for output in shard["outputs"].values():
            assert output["value"].keys() == {"server_id", "ip_address", "floating_ip"}


def test_servers_carry_their_origin(case: Case) -> None:
    for role in ROLES:
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
    """A shard's stored template is edited to change it, so the names of its resources must identify their node."""
    for role in ROLES:
        shard = case.shard(role)
        indexes = {node.index for node in case.nodes if node.role == role}
        for section in ("resources", "outputs"):
            assert {node_index(name) for name in shard[section]} == indexes


def test_each_leaving_node_has_one_answer_from_a_node_that_stays(case: Case) -> None:
    nodes = case.all_joined().nodes
    leaving = [replace(node, state=REMOVING) for node in nodes if node.role == WORKER]
    staying = [node for node in nodes if node.is_master]
    for others in (staying, [replace(node, state="failed") for node in staying], []):
        found = case.engine.drain(case.cluster, leaving, [*others, *leaving], seconds=60)
        removed = [uuid for removal in found.removals for uuid in removal.nodes]
        answers = [*removed, *found.nothing_to_do, *found.impossible]
        assert sorted(answers) == sorted(node.uuid for node in leaving)
        alive = {node.uuid for node in others if node.state == JOINED}
        assert {removal.action.node_id for removal in found.removals} <= alive
        assert all(found.impossible.values())


def test_the_founder_is_a_master_or_what_others_are_installed_from_until_they_can_join(case: Case) -> None:
    founder = case.engine.founder(case.nodes)
    assert founder is None or founder.is_master or founder.role == BOOTSTRAP
    assert case.engine.founder(case.all_joined().nodes) is None


def test_actions_are_for_nodes_that_work_and_hold_no_secret(case: Case) -> None:
    nodes = case.all_joined().nodes
    working = {node.uuid for node in nodes}
    credential = case.engine.credential_actions(nodes)
    assert not isinstance(credential, Impossible)
    settling = case.engine.settling(case.cluster, case.groups, nodes)
    found = [*case.engine.trust_refresh(nodes), *credential, *settling]
    add_ons = case.engine.add_on_actions(nodes)
    assert not isinstance(add_ons, Impossible)
    found = [*case.engine.trust_refresh(nodes), *credential, *add_ons]
    for node in nodes:
        own = case.engine.certificate_actions(node)
        assert {action.node_id for action in own} <= {node.uuid}
        found += [*own, *case.engine.upgrade_actions(case.cluster, node, nodes)]
    assert {action.node_id for action in found} <= working
    assert not any(secret in str(action.args) for action in found for secret in case.private)
    assert case.engine.trust_refresh([]) == [] or not case.engine.trust_refresh([])
    assert not case.engine.settling(case.cluster, case.groups, [])
    assert sorted(case.engine.rolling_order(nodes, case.facts)) == sorted(working)


def test_a_nodes_certificate_is_signed_by_an_authority_of_the_engine(case: Case) -> None:
    subjects = set()
    for node in case.nodes:
        wanted = case.engine.node_certificate(case.cluster, node)
        if wanted is not None:
            assert case.engine.secrets[wanted.authority] is SecretKind.CA
            subjects.add(wanted.common_name)
    assert len(subjects) in (0, len(case.nodes), len([node for node in case.nodes if node.is_master]))


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
    text = bundle.render(found, case.engine.version(case.cluster))
    checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False)
    assert checked.returncode == 0, f"{name}: {checked.stderr}"


def test_a_client_configuration_is_short_lived_and_names_its_files(case: Case) -> None:
    for access in Access:
        try:
            config = case.engine.client_config(
                case.cluster,
                api_address=case.engine.api_url(case.cluster, case.outputs()),
                secrets=case.secrets,
                user="somebody",
                access=access,
                now=NOW,
                lifetime=timedelta(hours=2),
            )
        except ValueError as error:
            assert access is not Access.ADMIN and str(error), "an engine without roles refuses viewers, with a reason"
            continue
        assert config.expires_in == timedelta(hours=2)
        text = "".join([*config.files.values(), *config.environment.values()])
        assert "203.0.113.7" in text
        assert [secret for secret in case.private if secret in text] == []
        assert config.files
        for name in config.files:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        for variable in config.environment:
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable)


def test_secret_facts_stay_out_of_stacks_and_user_data(case: Case) -> None:
    reported = case.all_joined()
    secret = [name for name, fact in case.engine.facts.items() if fact.secret]
    values = [facts[name] for facts in reported.facts.values() for name in secret]
    text = json.dumps([templates(reported), [reported.user_data(node) for node in reported.nodes]])
    assert [value for value in values if value in text] == []


def test_a_full_shard_fits_a_request_to_heat(jeroboam_driver: Driver) -> None:
    case = make_case(jeroboam_driver, "octavia", workers=50)
    body = {"stack_name": "x" * 80, "template": case.shard("worker"), "tags": "x" * 300}
    assert len(json.dumps(body)) < HEAT_REQUEST / 1.5, "there must be space for a longer CA and more files"
