"""Whom machines trust, and where their images come from: labels, the files of nodes, and the scripts that use them."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jeroboam.driver import MASTER, WORKER, Bootstrap
from jeroboam.driver.scripts import FUNCTIONS
from jeroboam.testing.cases import NOW, Case, make_case
from shared.drivers.hosts import authorities, scripts
from shared.drivers.registry import get_driver
from shared.pki.authority import make_authority

ENGINES = [("kubernetes", "ubuntu"), ("kubernetes", "flatcar"), ("swarm", "fedora-coreos"), ("mesos", "ubuntu")]
DOCKER = ENGINES[2:]
IDS = ["-".join(each) for each in ENGINES]


@cache
def authority(name: str = "site") -> str:
    return str(make_authority(name, now=NOW).public)


@cache
def leaf() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW.replace(year=2040))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def case(engine: str, system: str, **labels: str) -> Case:
    return make_case(get_driver(engine, system, "vm"), "octavia").with_labels(**labels)


def problems(case: Case) -> list[str]:
    return case.engine.problems(case.cluster, case.groups)


def files(case: Case, role: str = WORKER, operators: str = "") -> dict[str, tuple[str, str]]:
    """Path -> content and mode of the bootstrap of a node."""
    joined = case.joined(*(place for place, node in enumerate(case.nodes) if node.role == MASTER))
    node = next(node for node in joined.nodes if node.role == role)
    found = case.engine.bootstrap(replace(joined.context(node), authorities=operators))
    assert isinstance(found, Bootstrap)
    return {each["path"]: (each["content"], each["mode"]) for each in found.files}


@pytest.mark.parametrize(("engine", "system"), ENGINES, ids=IDS)
@pytest.mark.parametrize("role", [MASTER, WORKER])
def test_every_node_gets_the_operators_authorities_and_those_of_the_label(engine: str, system: str, role: str) -> None:
    own, operators = authority("own"), authority("operator")
    given = f"# ours\n{own}\n{own}$(reboot)`id`\n"
    found = files(case(engine, system, extra_ca_certificates=given), role, operators + own)
    assert found[authorities.PATH] == (operators + own, "0644"), "each once, and nothing of what is between them"
    assert problems(case(engine, system, extra_ca_certificates=given)) == []
    assert files(case(engine, system), role)[authorities.PATH][0] == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("trust everybody", "must be certificates"),
        (authority().replace("M", "!", 1), "must be certificates"),
        (authority().replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "must be certificates"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 cannot be read"),
        (authority() + leaf(), "certificate 2 is not that of an authority"),
        (authority() + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "replace that key"),
        ("".join(authority(f"ca-{number}") for number in range(21)), "at most 20 certificates"),
        ("#" * 70_000 + authority(), "at most 64 KiB"),
    ],
)
@pytest.mark.parametrize("place", ["cluster", "nodegroup"])
def test_what_is_no_authority_is_refused_by_name(text: str, why: str, place: str) -> None:
    if place == "cluster":
        found = problems(case("mesos", "ubuntu", extra_ca_certificates=text))
    else:
        sample = case("kubernetes", "ubuntu")
        group = replace(sample.workers, labels={"extra_ca_certificates": text})
        found = sample.engine.problems(sample.cluster, [sample.masters, group])
    assert any(line.startswith("label extra_ca_certificates: ") and why in line for line in found), found
    assert "AAAA" not in " ".join(found), "what might be a secret is not repeated"


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"registry_mirrors": "mirror"}, "must be a URL"),
        ({"registry_mirrors": "http://mirror.example.org"}, "is not encrypted; use https, or name mirror.example.org"),
        ({"registry_mirrors": "https://user:secret@mirror.example.org"}, "without a password"),
        ({"registry_mirrors": "https://mirror.example.org?a=b"}, "a query"),
        ({"registry_mirrors": "https://m.example.org/$(id)'"}, "must be a URL"),
        ({"registry_mirrors": "../../etc=https://m.example.org"}, "must be a registry's host name"),
        ({"registry_mirrors": " ".join(f"https://m{number}.example.org" for number in range(21))}, "at most 20"),
        ({"insecure_registries": "registry.example.org/path"}, "must be a registry's host name"),
        ({"insecure_registries": "a b; reboot"}, "must be a registry's host name"),
        ({"insecure_registries": " ".join(f"r{number}.org" for number in range(21))}, "at most 20"),
    ],
)
@pytest.mark.parametrize(("engine", "system"), ENGINES, ids=IDS)
def test_mirrors_that_cannot_work_are_refused_by_name(
    engine: str, system: str, labels: dict[str, str], why: str
) -> None:
    (name,) = labels
    found = problems(case(engine, system, **labels))
    assert len(found) == 1 and found[0].startswith(f"label {name}: ") and why in found[0], found


@pytest.mark.parametrize(("engine", "system"), DOCKER)
def test_docker_has_mirrors_of_its_own_registry_only(engine: str, system: str) -> None:
    found = problems(case(engine, system, registry_mirrors="quay.example.org=https://m.example.org"))
    assert found == [
        "label registry_mirrors: quay.example.org cannot have a mirror, because Docker uses mirrors for Docker Hub only"
    ]
    assert "has a path" in problems(case(engine, system, registry_mirrors="https://m.example.org/hub"))[0]


@pytest.mark.parametrize(("engine", "system"), DOCKER)
def test_dockers_settings(engine: str, system: str) -> None:
    sample = case(
        engine,
        system,
        registry_mirrors="https://m1.example.org http://m2.example.org:5000",
        insecure_registries="m2.example.org:5000 lab.example.org",
    ).with_cluster(insecure_registry="http://old.example.org:5000/")
    assert problems(sample) == []
    found = files(sample)
    path = "/etc/docker/daemon.json" if engine == "mesos" else "/etc/jeroboam/daemon.json"
    settings = json.loads(found[path][0])
    assert settings["registry-mirrors"] == ["https://m1.example.org", "http://m2.example.org:5000"]
    assert settings["insecure-registries"] == ["old.example.org:5000", "m2.example.org:5000", "lab.example.org"]


def test_nothing_is_insecure_that_was_not_named() -> None:
    for engine, system in ENGINES:
        found = files(case(engine, system, registry_mirrors="https://m.example.org"))
        text = "".join(content for content, _ in found.values())
        assert "skip_verify" not in text and "insecure-registries" not in text and "http://m" not in text


def test_containerds_files() -> None:
    sample = case(
        "kubernetes",
        "ubuntu",
        registry_mirrors="https://hub.example.org/proxy lab.example.org:5000=http://cache.example.org:80 "
        "lab.example.org:5000=https://other.example.org",
        insecure_registries="cache.example.org:80 plain.example.org",
    )
    assert problems(sample) == []
    found = {
        path.split("/")[-2]: tomllib.loads(content)
        for path, (content, _) in files(sample).items()
        if path.startswith("/etc/containerd/certs.d/")
    }
    asked = {"capabilities": ["pull", "resolve"]}
    assert found == {
        # Without `server`, what no mirror has comes from the registry itself, encrypted.
        "docker.io": {"host": {"https://hub.example.org/proxy": asked}},
        "lab.example.org:5000": {
            "host": {
                "http://cache.example.org:80": {**asked, "skip_verify": True},
                "https://other.example.org": asked,
            }
        },
        "cache.example.org:80": _plain("cache.example.org:80"),
        "plain.example.org": _plain("plain.example.org"),
    }
    hosts = files(sample)["/etc/containerd/certs.d/lab.example.org:5000/hosts.toml"][0]
    assert hosts.index("cache") < hosts.index("other"), "in the order of the label"


def _plain(host: str) -> dict[str, object]:
    url = f"http://{host}"
    return {"server": url, "host": {url: {"capabilities": ["pull", "resolve"], "skip_verify": True}}}


def test_changes_apply_to_later_machines_and_a_nodegroup_can_have_its_own() -> None:
    new = {"extra_ca_certificates": authority(), "registry_mirrors": "https://m.example.org"}
    for engine, system in ENGINES:
        sample = case(engine, system)
        labels = {**sample.cluster.labels, **new}
        assert sample.engine.label_change_problems(sample.cluster, labels) == [], engine
        group = replace(sample.workers, labels=new)
        assert sample.engine.problems(sample.cluster, [sample.masters, group, *sample.others]) == []


@pytest.mark.parametrize(("engine", "system"), ENGINES, ids=IDS)
def test_a_proxy_is_not_used_for_the_cluster_itself(engine: str, system: str) -> None:
    sample = case(engine, system).with_cluster(https_proxy="http://proxy.example.org:3128", no_proxy=".example.org")
    units = [content for path, (content, _) in files(sample).items() if path.endswith(".service.d/proxy.conf")]
    assert len(units) == 1
    (direct,) = [line.partition("NO_PROXY=")[2] for line in units[0].splitlines() if "NO_PROXY" in line]
    expected = {".example.org", "127.0.0.1", "localhost", "10.0.0.4", "203.0.113.7", "10.0.0.0/20"}
    assert expected <= set(direct.rstrip('"').split(","))
    if engine != "mesos":
        assert "10.100.0.0/14" in direct, "the network of containers"


class Machine:
    """A root on which trust.sh runs, with programs that only note how they were called."""

    def __init__(self, directory: Path, programs: Sequence[str]) -> None:
        self.root, self._bin = directory / "root", directory / "bin"
        self.etc = self.root / "etc/jeroboam"
        self.etc.mkdir(parents=True)
        self._bin.mkdir()
        for name in (*programs, "systemctl", "apt-get"):
            self.program(name, f'echo "{name} $*" >>"{directory}/calls"')
        self._calls = directory / "calls"
        (self.etc / "functions.sh").write_text(FUNCTIONS)
        (self.etc / "trust.sh").write_text(scripts.text("trust.sh"))

    def program(self, name: str, text: str) -> None:
        (self._bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self._bin / name).chmod(0o755)

    def trust(self, pem: str) -> subprocess.CompletedProcess[str]:
        (self.etc / "authorities.pem").write_text(pem)
        self._calls.write_text("")
        script = 'set -eu; . "$0/functions.sh"; . "$0/trust.sh"; trust_extra_authorities docker'
        environment = {"PATH": f"{self._bin}:/usr/bin:/bin", "JEROBOAM_ROOT": str(self.root)}
        command = ["sh", "-c", script, str(self.etc)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()

    def anchors(self, directory: str) -> dict[str, str]:
        place = self.root / directory
        return {path.name: path.read_text() for path in sorted(place.iterdir())} if place.exists() else {}


DEBIAN, FEDORA, FLATCAR = "usr/local/share/ca-certificates", "etc/pki/ca-trust/source/anchors", "etc/ssl/certs"


@pytest.mark.parametrize(
    ("programs", "directory", "ending", "update"),
    [
        (["update-ca-certificates"], DEBIAN, "crt", "update-ca-certificates "),
        (["update-ca-trust"], FEDORA, "crt", "update-ca-trust extract"),
        (["update-ca-certificates"], FLATCAR, "pem", "update-ca-certificates "),
    ],
    ids=["debian", "fedora", "flatcar"],
)
def test_the_systems_store_has_each_authority_in_a_file(
    tmp_path: Path, programs: list[str], directory: str, ending: str, update: str
) -> None:
    machine = Machine(tmp_path, programs)
    if directory == FLATCAR:
        (machine.root / "usr").write_text("it cannot be written")
    one, two = authority("one"), authority("two")
    done = machine.trust(one + two)
    assert done.returncode == 0, done.stderr
    assert machine.anchors(directory) == {f"jeroboam-1.{ending}": one, f"jeroboam-2.{ending}": two}
    assert machine.calls == [update, "systemctl try-restart docker"]
    machine.trust(one + two)
    assert machine.calls == [], "nothing has changed"
    machine.trust(two)
    assert machine.anchors(directory) == {f"jeroboam-1.{ending}": two}
    machine.trust("")
    assert machine.anchors(directory) == {}, "what is not trusted any more is removed"
    assert machine.calls == [update, "systemctl try-restart docker"]


def test_a_store_that_cannot_be_changed_is_named_and_tried_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [])
    machine.program("update-ca-trust", "echo p11-kit: no space left >&2; exit 1")
    done = machine.trust(authority())
    assert done.returncode == 1 and "the authorities could not be trusted: p11-kit: no space left" in done.stderr
    machine.program("update-ca-trust", ":")
    assert machine.trust(authority()).returncode == 0
    assert machine.calls == ["systemctl try-restart docker"]


def test_a_machine_without_extra_authorities_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [])
    assert machine.trust("").returncode == 0
    assert machine.calls == [] and not (machine.root / "usr").exists()


def test_the_real_program_of_debian_takes_them(tmp_path: Path) -> None:
    """update-ca-certificates itself, with directories of its own, and then OpenSSL with the store."""
    program = Path("/usr/sbin/update-ca-certificates")
    if not program.exists():
        pytest.skip("no update-ca-certificates here")
    machine = Machine(tmp_path, [])
    machine.program(
        "update-ca-certificates",
        f'mkdir -p "{tmp_path}/store"; : >"{tmp_path}/conf"\n'
        f'exec "{program}" --certsconf "{tmp_path}/conf" --certsdir "{tmp_path}/none" --etccertsdir "{tmp_path}/store" '
        f'--localcertsdir "{machine.root}/{DEBIAN}" --hooksdir "{tmp_path}/none"',
    )
    (tmp_path / "none").mkdir()
    one = authority("one")
    assert machine.trust(one).returncode == 0
    (tmp_path / "one.pem").write_text(one)
    command = ["openssl", "verify", "-no-CAfile", "-CApath", str(tmp_path / "store"), str(tmp_path / "one.pem")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"]})
    assert said.returncode == 0, said.stderr
