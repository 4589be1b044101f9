"""Docker's volume plug-ins: labels, the files of nodes, and the script that installs them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jeroboam.driver import MASTER, WORKER, Bootstrap
from jeroboam.driver.scripts import FUNCTIONS
from jeroboam.testing.cases import Case, make_case
from shared.drivers.hosts import plugins, scripts
from shared.drivers.registry import get_driver

CVMFS, CINDER = (
    "cvmfs=registry.example.org/cvmfs:1.0",
    "cinder=registry.example.org:5000/rexray/cinder:1.4@sha256:" + "a" * 64,
)
OPTIONS = "cvmfs:CVMFS_QUOTA_LIMIT=4000 cvmfs:PROXY='http://a:3128;DIRECT $(id)' cinder:CINDER_PASSWORD='p \"w'"


def case(engine: str = "swarm", **labels: str) -> Case:
    return make_case(get_driver(engine, "ubuntu", "vm"), "octavia").with_labels(**labels)


def problems(case: Case) -> list[str]:
    return case.engine.problems(case.cluster, case.groups)


def files(case: Case, role: str) -> dict[str, tuple[str, str]]:
    joined = case.joined(*(place for place, node in enumerate(case.nodes) if node.role == MASTER))
    node = next(node for node in joined.nodes if node.role == role)
    found = case.engine.bootstrap(joined.context(node))
    assert isinstance(found, Bootstrap)
    start = f"{plugins.DIRECTORY}/"
    return {
        each["path"].removeprefix(start): (each["content"], each["mode"])
        for each in found.files
        if each["path"].startswith(start)
    }


@pytest.mark.parametrize(("engine", "role"), [("swarm", MASTER), ("swarm", WORKER), ("mesos", WORKER)])
def test_every_node_that_runs_containers_gets_them(engine: str, role: str) -> None:
    sample = case(engine, docker_volume_plugins=f"{CVMFS} {CINDER}", docker_volume_plugin_options=OPTIONS)
    assert problems(sample) == []
    image = CINDER.partition("=")[2]
    assert files(sample, role) == {
        "cvmfs": (
            "registry.example.org/cvmfs:1.0\nCVMFS_QUOTA_LIMIT=4000\nPROXY=http://a:3128;DIRECT $(id)\n",
            "0600",
        ),
        "cinder": (f'{image}\nCINDER_PASSWORD=p "w\n', "0600"),
    }
    assert files(case(engine), role) == {}


def test_masters_of_mesos_have_no_docker() -> None:
    assert files(case("mesos", docker_volume_plugins=CVMFS), MASTER) == {}


@pytest.mark.parametrize("engine", ["swarm", "mesos"])
@pytest.mark.parametrize("driver", plugins.VOLUME_DRIVERS)
def test_a_templates_volume_driver_needs_its_plugin(engine: str, driver: str) -> None:
    sample = case(engine).with_cluster(volume_driver=driver)
    assert problems(sample) == [
        f"volume_driver: {driver} needs an image: add it to the label docker_volume_plugins as {driver}=<image>"
    ]
    assert problems(sample.with_labels(docker_volume_plugins=f"{driver}=example/{driver}")) == []


@pytest.mark.parametrize("engine", ["swarm", "mesos"])
@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("docker_volume_plugins", "cvmfs", "must be volume plug-ins as alias=image"),
        ("docker_volume_plugins", "cvmfs=a;reboot", "must be volume plug-ins as alias=image"),
        ("docker_volume_plugins", "cvmfs=--help", "must be volume plug-ins as alias=image"),
        ("docker_volume_plugins", "--help=a", "must be volume plug-ins as alias=image"),
        ("docker_volume_plugins", f"cvmfs={'a' * 256}", "must be volume plug-ins as alias=image"),
        ("docker_volume_plugins", "a=x/y a=x/z", "each alias once"),
        ("docker_volume_plugins", " ".join(f"a{number}=x" for number in range(11)), "at most 10"),
        ("docker_volume_plugins", " " * 5 + "a" * 20_000, "at most 16 KiB"),
        ("docker_volume_plugin_options", "cvmfs:A=1", "cvmfs is not in the label docker_volume_plugins"),
        ("docker_volume_plugin_options", "A=1", "must be settings as alias:NAME=value"),
        ("docker_volume_plugin_options", "cvmfs:--force=1", "must be settings as alias:NAME=value"),
        ("docker_volume_plugin_options", "cvmfs:A='1", "must be settings as alias:NAME=value"),
        ("docker_volume_plugin_options", "cvmfs:A='1\n2'", "must be settings as alias:NAME=value"),
        ("docker_volume_plugin_options", f"cvmfs:A={'x' * 1025}", "must be settings as alias:NAME=value"),
        ("docker_volume_plugin_options", " ".join(f"cvmfs:A{n}=1" for n in range(51)), "at most 50"),
    ],
)
def test_what_cannot_be_installed_is_refused_by_name(engine: str, name: str, text: str, why: str) -> None:
    found = problems(case(engine, **{name: text}))
    assert len(found) == 1 and found[0].startswith(f"label {name}: ") and why in found[0], found
    sample = case(engine)
    group = replace(sample.workers, labels={name: text})
    assert found == sample.engine.problems(sample.cluster, [sample.masters, group])


_DOCKER = """#!/bin/sh
{ printf '<%s>' "$@"; echo; } >>"$FAKE/calls"
[ ! -f "$FAKE/fails" ] || [ "$2" = inspect ] || { cat "$FAKE/fails" >&2; exit 1; }
for last; do :; done
case "$2 $3" in
"inspect --format") cat "$FAKE/has-$last" ;;
inspect*) [ -f "$FAKE/has-$last" ] && echo '[]' ;;
install*) echo "${6}" ; echo true >"$FAKE/has-$5" ;;
enable*) echo true >"$FAKE/has-$last" ;;
esac
"""


class Machine:
    """A root with the files of a node, and a Docker that only notes how it was called."""

    def __init__(self, directory: Path) -> None:
        self.fake, self.root = directory / "fake", directory / "root"
        self.fake.mkdir()
        etc = self.root / "etc/jeroboam"
        (etc / "volume-plugins").mkdir(parents=True)
        (etc / "functions.sh").write_text(FUNCTIONS)
        (etc / "plugins.sh").write_text(scripts.text("plugins.sh"))
        (self.fake / "docker").write_text(_DOCKER)
        (self.fake / "docker").chmod(0o755)
        for file in plugins.files(f"{CVMFS} {CINDER}", OPTIONS):
            (self.root / file["path"].lstrip("/")).write_text(file["content"])

    def install(self) -> subprocess.CompletedProcess[str]:
        """`calls` then are those of this run that change something."""
        (self.fake / "calls").write_text("")
        return subprocess.run(
            [
                "sh",
                "-c",
                'set -eu; etc=$JEROBOAM_ROOT/etc/jeroboam; . "$etc/functions.sh"; . "$etc/plugins.sh"; install_plugins',
            ],
            env={"PATH": f"{self.fake}:/usr/bin:/bin", "JEROBOAM_ROOT": str(self.root), "FAKE": str(self.fake)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        lines = (self.fake / "calls").read_text().splitlines()
        return [line for line in lines if "<inspect>" not in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_each_is_installed_once_with_its_settings_as_arguments(machine: Machine) -> None:
    done = machine.install()
    assert done.returncode == 0, done.stderr
    start = "<plugin><install><--grant-all-permissions><--alias>"
    assert machine.calls == [
        f'{start}<cinder><{CINDER.partition("=")[2]}><CINDER_PASSWORD=p "w>',
        f"{start}<cvmfs><registry.example.org/cvmfs:1.0><CVMFS_QUOTA_LIMIT=4000><PROXY=http://a:3128;DIRECT $(id)>",
    ]
    assert machine.install().returncode == 0
    assert machine.calls == []
    assert 'p "w' not in done.stdout + done.stderr


def test_an_interrupted_installation_is_finished(machine: Machine) -> None:
    (machine.fake / "has-cvmfs").write_text("false\n")
    (machine.fake / "has-cinder").write_text("true\n")
    assert machine.install().returncode == 0
    assert machine.calls == [
        "<plugin><set><cvmfs><CVMFS_QUOTA_LIMIT=4000><PROXY=http://a:3128;DIRECT $(id)>",
        "<plugin><enable><--timeout><60><cvmfs>",
    ]


@pytest.mark.parametrize("present", [False, True])
def test_one_that_cannot_be_installed_is_named(machine: Machine, present: bool) -> None:
    if present:
        (machine.fake / "has-cinder").write_text("false\n")
    (machine.fake / "fails").write_text("Error response from daemon: no such image\n")
    done = machine.install()
    assert done.returncode == 1
    assert (
        "the volume plug-in cinder (label docker_volume_plugins) could not be installed: "
        "Error response from daemon: no such image" in done.stderr
    )


def test_a_machine_without_plugins_calls_nothing(machine: Machine) -> None:
    for path in (machine.root / "etc/jeroboam/volume-plugins").iterdir():
        path.unlink()
    assert machine.install().returncode == 0
    assert (machine.fake / "calls").read_text() == ""
