"""`openstack coe ...` for tests: as its users start it, or many commands in one process of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
SECONDS = 120


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed, on either stream."""

    status: int
    output: str

    def ok(self) -> str:
        """What a command that went well printed."""
        assert self.status == 0, self.output
        return self.output

    def json(self) -> Any:
        """What was printed as JSON; some commands say a word before."""
        start = re.search(r"^[\[{]", self.ok(), re.MULTILINE)
        assert start, self.output
        return json.loads(self.output[start.start() :])

    def refused(self, words: str) -> None:
        """The command failed, saying so."""
        assert self.status != 0, self.output
        assert words in self.output, self.output

    def table(self) -> dict[str, str]:
        """A two-column table of magnumclient's own drawing; some commands take no output format."""
        rows = [line.strip("| \n").split("|") for line in self.ok().splitlines() if line.startswith("|")]
        return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


class Coe:
    """One user's client. Made by `running_coe`.

    Args:
        environment: OS_* of the user.
        directory: where it runs; files are written there.
        worker: a process of tests/support/coe_worker.
    """

    def __init__(self, environment: dict[str, str], directory: Path, worker: asyncio.subprocess.Process) -> None:
        self._environment = environment
        self.directory = directory
        self._worker = worker

    async def __call__(self, command: str, *more: str, version: str | None = None) -> Ran:
        """Run a command in the process that is there.

        Args:
            command: words without blanks in them; `more` are taken as they are.
            version: a microversion to ask for.
        """
        options = ["--os-container-infra-api-version", version] if version else []
        arguments = [*options, "coe", *command.split(), *more]
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(arguments).encode() + b"\n")
        await self._worker.stdin.drain()
        line = await asyncio.wait_for(self._worker.stdout.readline(), SECONDS)
        assert line, f"the client died of {arguments}"
        status, output = json.loads(line)
        return Ran(status, output)

    async def started(self, command: str, *more: str) -> Ran:
        """Run a command in a process of its own, as a user starts it."""
        process = await asyncio.create_subprocess_exec(
            str(BIN / "openstack"),
            "coe",
            *command.split(),
            *more,
            cwd=self.directory,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode is not None
        return Ran(process.returncode, output.decode())


@asynccontextmanager
async def running_coe(environment: dict[str, str], directory: Path) -> AsyncIterator[Coe]:
    """A client for the length of a block."""
    whole = {"PATH": os.environ["PATH"], "SHELL": "/bin/sh", "HOME": str(directory), **environment}
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("coe_worker.py")),
        cwd=directory,
        env=whole,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    try:
        yield Coe(whole, directory, worker)
    finally:
        assert worker.stdin is not None
        worker.stdin.close()
        await asyncio.wait_for(worker.wait(), SECONDS)
