"""Functions of POSIX sh that the scripts of every engine can use on its nodes, as texts of files.

FUNCTIONS: steps, errors, bounded waiting, arguments and results of commands. MACHINE: the container volume and the
shared address, which need the variables of a node's environment file that their comments name.
"""

from __future__ import annotations

from importlib import resources

_HERE = resources.files(__name__)
FUNCTIONS = _HERE.joinpath("functions.sh").read_text()
MACHINE = _HERE.joinpath("machine.sh").read_text()
