"""Ports: never one that another process has chosen, though nobody listens on it yet."""

from __future__ import annotations

import random
import socket
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


def test_a_range_is_free_and_claimed_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_port(following=2)
    monkeypatch.setattr(ports, "FIRST_PORT", first)
    monkeypatch.setattr(ports, "LAST_PORT", first + 2)
    with pytest.raises(OSError, match="no free port"):
        ports.free_port()
    assert ports.take_port(first + 2), "a port that this process has claimed is its own to take"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first + 1))
        listener.listen()
        assert not ports.take_port(first + 1)
