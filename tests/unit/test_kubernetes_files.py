"""deploy/kubernetes: the files are complete and refer to each other, every pod is confined and checked, and what they
say of settings, secrets, tables and queues is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cli.services import SERVICES
from shared.db.models import Operation
from shared.domain.kinds import Service, kinds_of
from shared.settings import Settings
from tests.support.deploy_files import FILES, Object, documents, whole_process

ROOT = Path(__file__).parents[2]


def pod_of(service: str) -> Object:
    """The pod of a process."""
    (deployment,) = [each for each in whole_process(service) if each["kind"] == "Deployment"]
    template: Object = deployment["spec"]["template"]
    return template


PODS = {service: pod_of(service) for service in SERVICES} | {
    "migrate": documents("migrate/job.yaml")[0]["spec"]["template"]
}


def test_every_file_is_part_of_a_kustomization() -> None:
    named: set[Path] = set()
    for file in FILES.rglob("kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        patches = [patch["path"] for patch in content.get("patches", []) if "path" in patch]
        settings = [env for each in content.get("configMapGenerator", []) for env in each["envs"]]
        for name in (*content["resources"], *content.get("components", []), *patches, *settings):
            assert (file.parent / name).exists(), f"{file}: {name}"
            named.add((file.parent / name).resolve())
    kustomizations = {file.resolve() for file in FILES.rglob("kustomization.yaml")}
    files = {file.resolve() for file in FILES.rglob("*") if file.is_file()}
    assert files - named == kustomizations


def test_every_process_has_a_deployment_which_starts_it() -> None:
    assert {file.stem for file in (FILES / "base").glob("*.yaml")} >= set(SERVICES)
    for service in SERVICES:
        (container,) = PODS[service]["spec"]["containers"]
        assert container["command"] == ["python", "-m", f"services.{service}"]
        port = Settings.model_fields["api_port"].default
        assert container["ports"][0]["containerPort"] == port
        probes = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
        assert probes == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


@pytest.mark.parametrize("name", PODS)
def test_pods_meet_the_restricted_standard(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert {volume["name"] for volume in spec["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


def test_a_process_has_time_to_end_by_itself() -> None:
    pause = int(PODS["api"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    shutdown = float(Settings.model_fields["shutdown_seconds"].default)
    assert PODS["api"]["spec"]["terminationGracePeriodSeconds"] >= pause + shutdown + 6


def test_each_process_may_lose_one_pod() -> None:
    budgets = documents("base/disruption-budgets.yaml")
    chosen = {each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in budgets}
    assert chosen == set(SERVICES)
    assert {each["spec"]["maxUnavailable"] for each in budgets} == {1}


def test_policies_select_labels_that_pods_have() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    for policy in documents("base/network-policies.yaml"):
        wanted = policy["spec"]["podSelector"].get("matchLabels", {}).items()
        assert any(wanted <= each.items() for each in labels), policy["metadata"]["name"]


@pytest.mark.parametrize("overlay", ["small", "production"])
def test_settings_are_known(overlay: str) -> None:
    lines = (FILES / f"overlays/{overlay}/settings.env").read_text().splitlines()
    given = [line.partition("=")[0] for line in lines]
    given += [each["name"] for each in PODS["api"]["spec"]["containers"][0]["env"]]
    names = {name.removeprefix("JEROBOAM_").lower().split("__")[0] for name in given} - {"secrets_dir"}
    assert names <= set(Settings.model_fields)


def test_workers_are_scaled_by_the_operations_that_are_due() -> None:
    columns = set(Operation.__table__.columns.keys())
    found = {}
    for scaled in documents("autoscaling/workers.yaml"):
        if scaled["kind"] == "ScaledObject":
            query = scaled["spec"]["triggers"][0]["metadata"]["query"]
            assert set(re.findall(r"\b(\w+_at|lease_until|kind)\b", query)) <= columns
            found[scaled["metadata"]["name"]] = set(re.findall(r"'(\w+)'", query))
    assert found == {service.value: {kind.value for kind in kinds_of(service)} for service in Service}
