"""Starts, monitors, restarts and stops the child processes of the sandbox.

Rule: a child that exits is restarted after an increasing delay, at most `MAX_RESTARTS` times a minute; each child has
its own log file. A child is stopped with SIGTERM and, after a timeout, with SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from sandbox.lifetime import ends_with_parent

log = structlog.get_logger(__name__)

MAX_RESTARTS = 10
LOOK_SECONDS = 0.05


class Process(Protocol):
    """A started process: what is used here of a `subprocess.Popen`."""

    pid: int
    returncode: int | Any

    @property
    def args(self) -> Any: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...


Launch = Callable[[str, Sequence[str], Mapping[str, str], Path], Process]


def launch_module(module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
    """Start `python -m MODULE ARGUMENTS...` with that environment and its output appended to a file."""
    return launch_python(["-m", module, *arguments], environment, log_file)


def launch_python(arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
    """Start this interpreter as a child that ends with this process."""
    with log_file.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A Ctrl-C at the terminal goes to us alone, so that children stop in order.
            start_new_session=True,
            preexec_fn=ends_with_parent(),
        )


class ChildProcess:
    """A process `python -m <module>`.

    Args:
        name: name in logs and messages.
        module: and `arguments`: the command.
        environment: additional environment variables.
        log_file: file for its output.
        restart: restart it when it exits unexpectedly.
        launch: how it is started.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_file: Path,
        *,
        restart: bool = True,
        launch: Launch = launch_module,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._module = module
        self._arguments = list(arguments)
        self._start = launch
        self._environment = {**os.environ, **environment}
        self._first: dict[str, str] = {}
        self._restart = restart
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self.starts = 0

    def arm(self, environment: Mapping[str, str]) -> None:
        """Set environment variables for the next start only (for crash points of tests)."""
        self._first = dict(environment)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._stopping = False
        self._launch()
        if self._restart:
            self._watcher = asyncio.create_task(self._watch())

    def _launch(self) -> None:
        self._process = self._start(self._module, self._arguments, self._environment | self._first, self.log_file)
        self.starts += 1
        self._first = {}

    async def _watch(self) -> None:
        recent: deque[float] = deque(maxlen=MAX_RESTARTS)
        while True:
            assert self._process is not None
            await _ended(self._process)
            if self._stopping:
                return
            recent.append(time.monotonic())
            if len(recent) == MAX_RESTARTS and recent[-1] - recent[0] < 60:
                log.error("process.given_up", process=self.name, log=str(self.log_file))
                return
            log.warning("process.restarted", process=self.name, status=self._process.returncode)
            await asyncio.sleep(min(5.0, 0.2 * 2 ** len(recent)))
            if not self._stopping:
                self._launch()

    def send(self, number: int) -> None:
        """Send a signal to the child (fault tests)."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self, timeout: float) -> int:
        """Wait for the child to end; returns its status. Raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return await _ended(self._process, timeout)

    async def stop(self, grace: float = 20.0) -> None:
        self._stopping = True
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await _ended(process, grace)
            except subprocess.TimeoutExpired:
                log.warning("process.killed", process=self.name)
                process.kill()
                await _ended(process)
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    def log_tail(self, size: int = 2000) -> str:
        return self.log_file.read_text(errors="replace")[-size:] if self.log_file.exists() else ""


async def _ended(process: Process, timeout: float = float("inf")) -> int:
    """Wait for a process and return its status. Raises subprocess.TimeoutExpired.

    Polls, because one waiting thread per child would exhaust the thread pool.
    """
    deadline = time.monotonic() + timeout
    while (status := process.poll()) is None:
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.args, timeout)
        await asyncio.sleep(LOOK_SECONDS)
    return status
