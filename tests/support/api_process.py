"""The API as the process that it is in production, on a simulated cloud."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.openstack.testing import TestCloud
from sandbox.ports import free_port
from shared.pki.sealing import new_key


@dataclass
class ApiProcess:
    process: asyncio.subprocess.Process
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident(self) -> int:
        """Bytes of memory that the process has."""
        (line,) = (
            line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmRSS" in line
        )
        return int(line.split()[1]) * 1024

    def peak(self) -> int:
        """Bytes of memory that the process had at most."""
        (line,) = (
            line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmHWM" in line
        )
        return int(line.split()[1]) * 1024

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()


@asynccontextmanager
async def api_process(
    openstack: TestCloud, database_url: str, log: Path, *, files: int | None = None, **settings: str
) -> AsyncIterator[ApiProcess]:
    """A ready API while the block lasts.

    Args:
        log: file for what it logs.
        files: the number of files that it may open, which it cannot raise.
        settings: more variables, without their prefix.
    """
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "JEROBOAM_DATABASE_URL": database_url,
        "JEROBOAM_SECRET_KEYS": f'["{new_key()}"]',
        "JEROBOAM_API_PORT": str(port),
        "JEROBOAM_CLOUD__AUTH_URL": openstack.auth_url,
        "JEROBOAM_CLOUD__USERNAME": openstack.service_user,
        "JEROBOAM_CLOUD__PASSWORD": openstack.password,
        "JEROBOAM_CLOUD__PROJECT_NAME": openstack.service_project,
        **{f"JEROBOAM_{name}": value for name, value in settings.items()},
    }

    def limited() -> None:
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.api", env=environment, stderr=output, preexec_fn=limited
        )
    found = ApiProcess(process, port, log)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client, asyncio.timeout(60):
            while True:
                assert process.returncode is None, found.lines()[-20:]
                try:
                    if (await client.get(f"{found.url}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        yield found
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
