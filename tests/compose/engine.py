"""A Docker engine of the test's own, with the Compose plugin.

Rule: the test process is in network, mount and process namespaces of its own (scripts/test-compose.sh), so that the
engine's bridges, rules and mounts do not touch those of the machine, and end with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

START_SECONDS = 30
ROOT = Path(__file__).parents[2]


class Engine:
    """Args: directory for the engine's data, sockets and log."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        # In memory: images are written once and read a few times, and all of it goes with the mount.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", str(directory)], check=True)
        plugins = directory / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(ROOT / ".venv/bin/docker-compose")

    def environment(self) -> dict[str, str]:
        return {
            # Debian's client is as old as its engine.
            "PATH": f"{ROOT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.directory),
            "DOCKER_HOST": f"unix://{self.directory}/docker.sock",
            "DOCKER_CONFIG": str(self.directory / "config"),
        }

    def start(self) -> None:
        """Start and wait until the engine answers. Raises RuntimeError with the end of its log."""
        d = self.directory
        with (d / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--host=unix://{d}/docker.sock",
                    f"--data-root={d}/data",
                    f"--exec-root={d}/exec",
                    f"--pidfile={d}/dockerd.pid",
                    "--storage-driver=overlay2",
                ],
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(
            ["docker", "version"], env=self.environment(), capture_output=True, check=False
        ).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd did not start: {(d / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def docker(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        """Run the client; returns what it printed."""
        done = subprocess.run(
            ["docker", *arguments], input=stdin, env=self.environment() | environment, capture_output=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"docker {arguments}\n{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-3000:]}"
        )
        return done.stdout.decode()

    def inspect(self, name: str) -> Any:
        """What the engine knows of a container or an image."""
        return json.loads(self.docker("inspect", name))[0]

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        self._process = None
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    def remove(self) -> None:
        subprocess.run(["umount", str(self.directory)], check=True)
        self.directory.rmdir()


def mounts_below(directory: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{directory}/")]


def processes_naming(text: str) -> list[str]:
    """Command lines, of processes in this namespace, that contain a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found
