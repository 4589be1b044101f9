"""The garbage collector of a service process."""

from __future__ import annotations

import subprocess
import sys


def measured(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_services_look_for_cycles_rarely() -> None:
    assert measured("import gc, services; print(gc.get_threshold()[0])") == "50000"


def test_what_is_there_after_the_start_is_not_looked_at_again() -> None:
    program = (
        "import gc; from shared.runtime.memory import keep_what_is_there as keep; keep(); print(gc.get_freeze_count())"
    )
    assert int(measured(program)) > 1000


def test_cycles_are_still_freed() -> None:
    program = """
import gc, weakref
from shared.runtime.memory import collect_rarely, keep_what_is_there

class Node: pass

collect_rarely()
keep_what_is_there()
one = Node()
one.itself = one
found = weakref.ref(one)
del one
kept = [[] for _ in range(60_000)]
print(found())
"""
    assert measured(program) == "None"
