"""The `openstack` command, run again and again in one process: starting it costs more than all a command does.

Reads a JSON list of arguments a line; writes a JSON line with the exit status and all it printed. What runs is the
command's own entry point, with everything it does between its arguments and its exit.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout

from openstackclient import shell
from osc_lib.clientmanager import ClientCache, ClientManager


def run(arguments: list[str]) -> tuple[int, str]:
    printed = io.StringIO()
    for cached in vars(ClientManager).values():
        if isinstance(cached, ClientCache):
            # Kept for the process's life, with the microversion and the token of the first command.
            cached._handle = None
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            status = shell.main(arguments)
        except SystemExit as exit_:  # argparse's way to refuse
            status = exit_.code if isinstance(exit_.code, int) else 1
    # The next run makes its own, on its own streams.
    logging.getLogger("").handlers.clear()
    return int(status or 0), printed.getvalue()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
