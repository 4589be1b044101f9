"""Ports: never one that another process has chosen, though nobody listens on it yet."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from sandbox import ports

_HOLD = """
import sys
from sandbox import ports
ports.FIRST_PORT = ports.LAST_PORT = int(sys.argv[1])
print(ports.free_port(), flush=True)
sys.stdin.read()
"""


def test_a_port_another_process_chose_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.free_port()
    monkeypatch.setattr(ports, "FIRST_PORT", port + 1)
    monkeypatch.setattr(ports, "LAST_PORT", port + 1)
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(port + 1)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        if other.stdout.readline().strip() == str(port + 1):  # else somebody listens there already
            with pytest.raises(OSError, match="no free port"):
                ports.free_port()
        other.communicate(timeout=20)


def test_no_port_twice_whatever_is_seeded() -> None:
    found = set()
    for _ in range(50):
        random.seed(0)
        found.add(ports.free_port())
    assert len(found) == 50
