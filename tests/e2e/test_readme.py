"""Every command of the README is run, and the sandbox does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ports import bindable
from sandbox.testing.process import BIN, SandboxProcess

pytestmark = [pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
# `make test` is what runs this file.
COMMANDS = [block.strip() for block in BLOCKS if block.strip() != "make test"]


def test_the_blocks_are_those_this_file_runs() -> None:
    assert [command.splitlines()[0].split("=")[0] for command in COMMANDS] == [
        "make demo",
        "make sandbox",
        "export OS_CLIENT_CONFIG_FILE",
    ]


def test_make_demo() -> None:
    """The whole of it, on a terminal that can draw nothing."""
    done = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env={**os.environ, "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for said in (
        "create succeeded",
        "signed by the cluster's CA",
        "without a gap",
        "events arrived at the webhook",
        "nothing left behind",
    ):
        assert said in done.stdout


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory for the sandbox. As root its database runs as an unprivileged user and must be able to reach it."""
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-readme-"))
    directory.chmod(0o711)
    yield directory / "sandbox"
    shutil.rmtree(directory)


def test_by_hand_and_across_a_restart(data: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    sandbox = SandboxProcess("--data-dir", str(data))
    print(f"ready after {time.monotonic() - began:.1f} s")
    lines = [line for line in COMMANDS[2].splitlines() if not line.startswith("export ")]
    assert lines[-1].endswith("cluster delete demo --wait")
    for line in lines[:2]:
        said = sandbox.run(paste(line))
        assert said.returncode == 0, said.stdout + said.stderr
    wait_complete(sandbox)
    for line in lines[2:-1]:
        said = sandbox.run(paste(line), cwd=tmp_path)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "demo" in said.stdout or "KUBECONFIG" in said.stdout or "k8s" in said.stdout, line
    assert (tmp_path / ".jeroboam" / "config").stat().st_mode & 0o777 == 0o600
    assert sandbox.interrupt() == 0
    assert "Stopped. State is kept" in sandbox.output

    again = SandboxProcess("--data-dir", str(data))
    assert again.clouds_file == sandbox.clouds_file
    shown = again.run(f"{BIN}/openstack coe cluster show demo -f value -c status")
    assert shown.stdout.strip() == "CREATE_COMPLETE", shown.stdout + shown.stderr
    deleted = again.run(paste(lines[-1]))
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert "delete succeeded" in deleted.stdout
    assert again.interrupt() == 0


def paste(line: str) -> str:
    return line.replace(".venv/bin/", f"{BIN}/")


def wait_complete(sandbox: SandboxProcess) -> None:
    end = time.monotonic() + 120
    status = ""
    while status != "CREATE_COMPLETE":
        assert time.monotonic() < end, status
        said = sandbox.run(f"{BIN}/jeroboam --format json cluster show demo")
        assert said.returncode == 0, said.stderr
        status = re.findall(r'"status": "(\w+)"', said.stdout)[0]
        assert status.endswith("_IN_PROGRESS") or status == "CREATE_COMPLETE", said.stdout


def test_a_killed_sandbox_takes_its_children_with_it() -> None:
    sandbox = SandboxProcess()
    database = re.search(r"127\.0\.0\.1:(\d+)/jeroboam", sandbox.output)
    api = re.search(r"API\s+http://127\.0\.0\.1:(\d+)", sandbox.output)
    assert database
    assert api
    sandbox.process.kill()
    sandbox.wait()
    end = time.monotonic() + 30
    while not all(bindable(int(found[1])) for found in (database, api)):
        assert time.monotonic() < end, "children of a killed sandbox are still there"
        time.sleep(0.1)
    shutil.rmtree(Path(sandbox.clouds_file).parent)


def test_wrong_use_is_one_clear_line() -> None:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    for arguments, words in (
        (["cluster", "list"], "OS_CLOUD"),
        (["--os-cloud", "nowhere", "cluster", "list"], "nowhere"),
        (["run", "nothing"], "unknown service 'nothing'"),
        (["migrate"], "JEROBOAM_DATABASE_URL"),
    ):
        done = subprocess.run(
            [str(BIN / "jeroboam"), *arguments], env=bare, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
