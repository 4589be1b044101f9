"""Starts processes of the sandbox whose clock is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.processes import Launch, Process, launch_python
from tests.support import warm

# As if the machine's clock had been set before the process started.
_PROGRAM = """
import datetime, runpy, sys, time_machine
ahead = datetime.timedelta(minutes=int(sys.argv[1]))
time_machine.travel(datetime.datetime.now(datetime.UTC) + ahead, tick=True).start()
module = sys.argv[2]
sys.argv = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def launch_skewed(minutes: Mapping[str, int]) -> Launch:
    """A launcher for a sandbox: module -> minutes that its clock is ahead; other modules have the right time."""

    def launch(module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
        if module not in minutes:
            return warm.launch(module, arguments, environment, log_file)
        return launch_python(["-c", _PROGRAM, str(minutes[module]), module, *arguments], environment, log_file)

    return launch
