"""The node script of Swarm really runs for a worker, with programs that only note how they were called."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jeroboam.driver import MASTER, WORKER, Bootstrap
from jeroboam.testing.cases import NOW, make_case
from shared.drivers.agent import bundle
from shared.drivers.registry import get_driver
from shared.pki.authority import make_authority

_PROGRAM = """#!/bin/sh
name=${0##*/}
echo "$name $*" >>"$FAKE/calls"
for last; do :; done
case "$name $*" in
"dockerd --version") echo "Docker version 28.5.1, build x" ;;
"docker info --format {{.Swarm.LocalNodeState}}") cat "$FAKE/state" ;;
"docker info"*) echo "$(cat "$FAKE/state") " ;;
"docker version"*) echo 28.5.1 ;;
"docker plugin inspect"*) [ -f "$FAKE/has-$last" ] && echo true ;;
"docker plugin install"*) touch "$FAKE/has-$5" ;;
"curl"*/swarm/join) echo active >"$FAKE/state"; printf 200 ;;
mountpoint*) [ -f "$FAKE/mounted" ] ;;
mount\\ *) touch "$FAKE/mounted" ;;
"lsblk -bdnpo"*) printf '%s\\n' '/dev/vda 21474836480 disk' '/dev/vdb 32212254720 disk' ;;
"lsblk -nro"*/dev/vda) echo ext4 ;;
"blkid -L"*) [ -f "$FAKE/formatted" ] && echo /dev/vdb ;;
"blkid -o"*) [ -f "$FAKE/formatted" ] && echo ext4 ;;
mkfs.ext4*) touch "$FAKE/formatted" ;;
esac
"""
PROGRAMS = "docker dockerd systemctl curl lsblk blkid mkfs.ext4 mount mountpoint update-ca-certificates apt-get ip"


class Worker:
    def __init__(self, directory: Path) -> None:
        self.root, self.fake, self._bin = directory / "root", directory / "fake", directory / "bin"
        for each in (self.root / "etc", self.fake, self._bin):
            each.mkdir(parents=True)
        for name in PROGRAMS.split():
            (self._bin / name).write_text(_PROGRAM)
            (self._bin / name).chmod(0o755)
        (self.fake / "state").write_text("inactive\n")

    def join(self, **labels: str) -> list[str]:
        """Run the bootstrap as the agent does. Returns the calls that change something, in order."""
        case = make_case(get_driver("swarm", "ubuntu", "vm"), "octavia").with_labels(**labels)
        case = replace(case, workers=replace(case.workers, docker_volume_size=30))
        case = case.joined(*(place for place, node in enumerate(case.nodes) if node.role == MASTER))
        found = case.engine.bootstrap(case.context(next(node for node in case.nodes if node.role == WORKER)))
        assert isinstance(found, Bootstrap)
        (self.fake / "calls").write_text("")
        done = subprocess.run(
            ["sh", "-c", bundle.render(found, "1")],
            input="",
            env={
                "PATH": f"{self._bin}:/usr/bin:/bin",
                "JEROBOAM_ROOT": str(self.root),
                "JEROBOAM_RETRY_SECONDS": "0",
                "FAKE": str(self.fake),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        starts = ("mkfs", "mount ", "update-ca", "systemctl", "docker plugin install", "curl", "docker swarm")
        return [call for call in (self.fake / "calls").read_text().splitlines() if call.startswith(starts)]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_a_worker_is_prepared_before_it_joins_and_only_once(worker: Worker) -> None:
    labels = {
        "extra_ca_certificates": str(make_authority("site", now=NOW).public),
        "docker_volume_plugins": "cvmfs=registry.example.org/cvmfs:1.0",
        "docker_volume_plugin_options": "cvmfs:CVMFS_QUOTA_LIMIT=4000",
        "registry_mirrors": "https://mirror.example.org",
    }
    calls = worker.join(**labels)
    expected = [
        "mkfs.ext4 -q -L containers /dev/vdb",
        "systemctl stop docker.socket docker.service",
        f"mount {worker.root}/var/lib/docker",
        "update-ca-certificates ",
        "systemctl try-restart docker",
        "systemctl restart docker",
        "docker plugin install --grant-all-permissions --alias cvmfs registry.example.org/cvmfs:1.0 "
        "CVMFS_QUOTA_LIMIT=4000",
    ]
    places = [calls.index(call) for call in expected]
    assert places == sorted(places), calls
    assert calls[-1].startswith("curl ") and calls[-1].endswith("/swarm/join"), "it takes no task before"
    assert "https://mirror.example.org" in (worker.root / "etc/docker/daemon.json").read_text()
    again = worker.join(**labels)
    assert not [call for call in again if not call.startswith("systemctl daemon-reload")], again


def test_a_worker_without_labels_joins(worker: Worker) -> None:
    calls = worker.join()
    assert calls[-1].endswith("/swarm/join")
    assert not [call for call in calls if "update-ca" in call or "plugin" in call or "try-restart" in call]
