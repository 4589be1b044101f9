"""The ports of a sandbox."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.layout import load_layout


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {number} is in use"):
            load_layout(tmp_path, api_port=number)
