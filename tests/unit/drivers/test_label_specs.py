"""Every label has a type, a default and a meaning, and the documentation's tables are made of them."""

from __future__ import annotations

import re

import pytest

from jeroboam.driver import InfrastructureLabels, LabelSpec
from scripts.label_tables import DOCS, with_tables
from shared.drivers.dcos.labels import Labels as DcosLabels
from shared.drivers.kubernetes.labels import POD_NETWORK_LABELS
from shared.drivers.kubernetes.labels import Labels as KubernetesLabels
from shared.drivers.mesos.labels import Labels as MesosLabels
from shared.drivers.registry import engines
from shared.drivers.swarm.labels import Labels as SwarmLabels

PAGES = [path for path in sorted(DOCS.glob("*.md")) if "<!-- labels of " in path.read_text()]


def spec(engine: str, name: str) -> LabelSpec:
    return next(each for each in engines()[engine].labels() if each.name == name)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_committed_tables_are_the_generated_ones(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    assert with_tables(text) == text, "run `python -m scripts.label_tables`"


def test_the_engines_pages_have_a_table() -> None:
    assert {path.name for path in PAGES} == {
        "dcos-driver.md",
        "kubernetes-driver.md",
        "mesos-driver.md",
        "swarm-driver.md",
    }
    assert all(len(re.findall(r"^\| `[a-z0-9_]+` \| ", path.read_text(), re.MULTILINE)) >= 5 for path in PAGES)


@pytest.mark.parametrize("model", [InfrastructureLabels, KubernetesLabels, SwarmLabels, MesosLabels, DcosLabels])
def test_no_label_is_without_a_description(model: type[InfrastructureLabels]) -> None:
    described = {each.name for each in model.specs()}
    assert model.names() - described == {"api_floating_ip"}, "it is no label"
    assert described - model.names() <= {"server_type", *POD_NETWORK_LABELS}
    assert all(each.meaning and not each.meaning.endswith(".") and each.type for each in model.specs())


@pytest.mark.parametrize(
    ("engine", "name", "type_", "default", "nodegroup"),
    [
        ("kubernetes", "kube_tag", "text", "v1.34.2", True),
        ("kubernetes", "flannel_network_subnetlen", "whole number, 20 to 28", "24", False),
        ("kubernetes", "flannel_backend", "one of vxlan, host-gw", "vxlan", False),
        ("kubernetes", "cinder_csi_enabled", "true or false", "true", False),
        ("kubernetes", "calico_ipv4pool", "text", "10.100.0.0/14", False),
        ("kubernetes", "kubeapi_options", "text", None, False),
        ("kubernetes", "availability_zone", "text", "the cloud's", True),
        ("swarm", "container_network_mtu", "whole number, 576 to 9000", "Docker's", False),
        ("swarm", "boot_volume_size", "whole number, 0 or more", "0 (none)", True),
        ("magnum-imported", "octavia_provider", "text", "the cloud's", False),
    ],
)
def test_what_is_said_of_a_label(engine: str, name: str, type_: str, default: str | None, nodegroup: bool) -> None:
    found = spec(engine, name)
    assert (found.type, found.default, found.nodegroup) == (type_, default, nodegroup)
