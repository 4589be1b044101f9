"""Processes of the sandbox forked from one that has imported the libraries already: a start costs a tenth of the time.

Rule: only libraries are imported in advance, nothing of Jeroboam, so a child reads its settings and imports its own
code as if it had been started by `python -m`. Tests of how a process is started (tests/e2e) do not use this.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.lifetime import ends_with_parent

LIBRARIES = (
    "aio_pika",
    "asyncpg",
    "cryptography.x509",
    "fastapi",
    "httpx",
    "jsonpatch",
    "keystoneauth1.identity.generic",
    "openstack.connection",
    "oslo_policy.policy",
    "prometheus_client",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "tenacity",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "yaml",
)


class ForkServer:
    """Started with the first process asked for; ends with this process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[2],
                start_new_session=True,
                preexec_fn=ends_with_parent(),
            )
        self._socket = ours
        self._lock = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        """End the server; processes that it started and that still run get SIGTERM."""
        self._socket.close()
        self._server.wait(20)

    def ask(self, **request: Any) -> Any:
        with self._lock:
            self._socket.send(json.dumps(request).encode())
            return json.loads(self._socket.recv(1000))


class ForkedProcess:
    """What `sandbox.processes` needs of a `Popen`."""

    def __init__(self, server: ForkServer, module: str, **request: Any) -> None:
        self._server = server
        self.args = [module]
        self.returncode: int | None = None
        self.pid: int = server.ask(module=module, **request)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(poll=self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        # The fork server has not waited for it before we asked: the pid cannot have been given to another process.
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_servers: list[ForkServer] = []


def launch(module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> ForkedProcess:
    """As `sandbox.processes.launch_module`."""
    if not _servers:
        _servers.append(ForkServer())
    return ForkedProcess(
        _servers[0], module, arguments=list(arguments), environment=dict(environment), log=str(log_file)
    )


def _run(request: dict[str, Any]) -> None:
    """The child: everything as after `python -m MODULE`, then its program."""
    status = 1
    try:
        os.setsid()
        ends_with_parent()()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        for descriptor, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [request["module"], *request["arguments"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while data := asked.recv(1_000_000):
            request = json.loads(data)
            if "poll" in request:
                answer = _poll(request["poll"])
            else:
                answer = os.fork()
                if answer == 0:
                    asked.close()
                    _run(request)
            asked.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
