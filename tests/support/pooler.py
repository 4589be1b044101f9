"""A pgbouncer in transaction mode, from Debian's packages, in front of a PostgreSQL on loopback."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox import debian_packages
from sandbox.lifetime import ends_with_parent
from sandbox.ports import free_port
from sandbox.postgres import dropped_privileges
from sandbox.trusted import make_temporary_directory

PROGRAM = Path("usr/sbin/pgbouncer")
START_SECONDS = 20.0


def ensure() -> Path:
    """Find pgbouncer, or fetch it. Returns its prefix."""
    return debian_packages.ensure(
        "pgbouncer", ["pgbouncer"], lambda prefix: (prefix / PROGRAM).exists(), needed=_libraries()
    )


def _libraries() -> list[str]:
    """Packages with the libraries of pgbouncer, whose names differ between releases."""
    listed = subprocess.run(
        ["apt-cache", "depends", "--important", "pgbouncer"], capture_output=True, text=True, timeout=60, check=False
    )
    return [name for name in re.findall(r"Depends: (lib[\w.+-]+)", listed.stdout) if name != "libc6"]


@asynccontextmanager
async def pooler(postgres_port: int, *, servers: int) -> AsyncIterator[str]:
    """The URL of a pooler for the block.

    Args:
        postgres_port: of the server, which need not run yet.
        servers: connections to the server that all clients share.
    """
    port = free_port()
    prefix = await asyncio.to_thread(ensure)
    # Not in a thread: the pooler ends when the thread that started it does.
    process, log = _start(prefix, port, postgres_port, servers)
    try:
        await _until_listening(process, port, log)
        yield f"postgresql://postgres@127.0.0.1:{port}/jeroboam"
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


def _start(prefix: Path, port: int, postgres_port: int, servers: int) -> tuple[subprocess.Popen[bytes], Path]:
    directory = make_temporary_directory("jeroboam-pooler-")
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host=127.0.0.1 port={postgres_port} user=postgres\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\n"
        f"default_pool_size = {servers}\nmax_client_conn = 500\nserver_login_retry = 1\n"
    )
    path = directory / "log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [str(prefix / PROGRAM), str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(prefix / "usr/lib/x86_64-linux-gnu")},
            preexec_fn=ends_with_parent(signal.SIGTERM),
            **dropped_privileges(),
        )
    return process, path


async def _until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.poll() is None, await asyncio.to_thread(log.read_text)
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
