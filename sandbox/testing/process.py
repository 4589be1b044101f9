"""`jeroboam sandbox` as a user starts it: a process in a terminal, ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sandbox.layout import Layout, service_environment

BIN = Path(sys.executable).parent
READY_SECONDS = 200


class SandboxProcess:
    """Started in a session of its own, so that a Ctrl-C of the test reaches it alone."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            [str(BIN / "jeroboam"), "sandbox", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(READY_SECONDS):
            self.process.kill()
            raise AssertionError(f"the sandbox is not ready: {self.output}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if "Press Ctrl-C to stop" in line:
                self._ready.set()
        self._ready.set()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def clouds_file(self) -> str:
        found = re.search(r"OS_CLIENT_CONFIG_FILE=(\S+)", self.output)
        assert found, self.output
        return found[1]

    def environment(self) -> dict[str, str]:
        """What a user's other terminal has after the printed `export` line."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        return kept | {"OS_CLIENT_CONFIG_FILE": self.clouds_file, "OS_CLOUD": "jeroboam", "SHELL": "/bin/sh"}

    def service_environment(self) -> dict[str, str]:
        """What an operator's shell has, who works on the sandbox's database."""
        directory = Path(self.clouds_file).parent
        found = re.search(r"Database +(\S+)", self.output)
        assert found, self.output
        saved = json.loads((directory / "sandbox.json").read_text())
        ports = (saved["postgres_port"], saved["cloud_port"], saved["api_port"])
        layout = Layout(directory, *ports, {}, saved["secret_key"])
        return {"PATH": os.environ["PATH"], **service_environment(layout, found[1])}

    def run(self, command: str, *, seconds: float = 180, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A line as a user would paste it."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=cwd,
            check=False,
        )

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; returns the exit status."""
        status = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status
