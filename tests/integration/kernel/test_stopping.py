"""The first signal asks, the second one insists: tried on a process."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import asyncio
from shared.telemetry.logging import configure_logging
from shared.runtime.stopping import StopSignal

configure_logging("test")

async def main():
    stop = StopSignal()
    stop.install()
    print("ready", flush=True)
    await stop.wait()
    print("asked", flush=True)
    await asyncio.sleep(60 if {stubborn} else 0)

asyncio.run(main())
"""


def started(*, stubborn: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(stubborn=stubborn)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    return process


def test_one_signal_lets_the_work_end() -> None:
    with started(stubborn=False) as process:
        assert process.wait(30) == 0


def test_a_second_signal_ends_the_process_at_once() -> None:
    with started(stubborn=True) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 128 + signal.SIGINT
