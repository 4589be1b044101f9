"""A process that cannot go on exits with 1, so that a supervisor starts it again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from shared.db.engine import Database
from shared.pki.sealing import new_key

PROGRAM = """
import asyncio
from shared.runtime.service import running_kernel, serve_work
from shared.runtime.stopping import StopSignal
from shared.settings import Settings

async def broken():
    raise AttributeError("a bug of a driver")

async def main():
    stop = StopSignal()
    async with running_kernel("test", Settings(), stop) as kernel:
        kernel.spawn(broken(), "broken")
        await serve_work(kernel, runner=None, consumers={})
    print("not reached")

asyncio.run(main())
"""


async def test_a_background_task_that_ends(database: Database, database_url: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "JEROBOAM_DATABASE_URL": database_url,
        "JEROBOAM_SECRET_KEYS": f'["{new_key()}"]',
        "JEROBOAM_CLOUD__AUTH_URL": "http://127.0.0.1:9/v3",
        "JEROBOAM_CLOUD__USERNAME": "none",
        "JEROBOAM_CLOUD__PASSWORD": "none",
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not reached" not in done.stdout
    assert 'Traceback (most recent call last):\n  File "<string>"' not in done.stderr
