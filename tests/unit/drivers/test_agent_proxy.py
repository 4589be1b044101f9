"""How the agent and the nodes' scripts reach the API where a template has proxies."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jeroboam.driver.scripts import FUNCTIONS
from jeroboam.testing.cases import make_case
from sandbox.nodes.user_data import read_user_data
from sandbox.ports import free_port
from tests.support.agent_process import Machine
from tests.support.kubernetes import driver

CASE = make_case(driver)
HOST = "127.0.0.9"  # is not among the addresses that are never called by the proxy


class Web:
    """The API, or a proxy before it: `paths` is what it was asked for. It has agents stop after their first report."""

    def __init__(self, host: str) -> None:
        self.paths: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                web.paths.append(self.path)
                self.send_response(409 if self.path.endswith("/reports") else 200)
                self.end_headers()
                self.wfile.write(b'{"credential": "abc"}')

            def log_message(self, *_: Any) -> None:
                pass

        self.port = free_port()
        self.server = ThreadingHTTPServer((host, self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def proxy() -> Iterator[Web]:
    web = Web("127.0.0.1")
    yield web
    web.server.shutdown()
    web.server.server_close()


@pytest.fixture
def api() -> Iterator[Web]:
    web = Web(HOST)
    yield web
    web.server.shutdown()
    web.server.server_close()


def machine(directory: Path, port: int, proxy: Web) -> Machine:
    cluster = replace(CASE.cluster, http_proxy=f"http://us%24er:p'w@127.0.0.1:{proxy.port}", no_proxy=".example.org")
    url = f"http://{HOST}:{port}"
    text = driver.user_data(cluster, CASE.nodes[0], api_url=url, ca_pem=None, token="t")
    settings = read_user_data(text)
    assert settings is not None and settings.url == url
    return Machine(directory / "root", text)


async def run(machine: Machine) -> str:
    machine.boot()
    try:
        assert await machine.exited() == 78, machine.said()
    finally:
        machine.kill()
    return machine.said()


async def test_an_api_that_cannot_be_reached_is_called_by_the_proxy(tmp_path: Path, proxy: Web) -> None:
    closed = free_port()
    said = await run(machine(tmp_path, closed, proxy))
    start = f"http://{HOST}:{closed}/v1/nodes/{CASE.nodes[0].uuid}"
    assert proxy.paths == [f"{start}/credential", f"{start}/reports"]
    assert "cannot reach the API" in said and "p'w" not in said


async def test_one_that_can_be_reached_is_not(tmp_path: Path, proxy: Web, api: Web) -> None:
    await run(machine(tmp_path, api.port, proxy))
    assert [path.rpartition("/")[2] for path in api.paths] == ["credential", "reports"]
    assert proxy.paths == []


@pytest.mark.parametrize("reachable", [True, False])
def test_certificates_are_asked_for_in_the_same_way(tmp_path: Path, proxy: Web, api: Web, reachable: bool) -> None:
    made = machine(tmp_path, api.port if reachable else free_port(), proxy)
    made.write("/var/lib/jeroboam/auth", b"Authorization: Bearer abc\n", 0o600)
    made.write("/etc/jeroboam/functions.sh", FUNCTIONS.encode(), 0o644)
    made.write("/body", b"{}", 0o644)
    script = 'cd "$JEROBOAM_ROOT"; . ./etc/jeroboam/functions.sh; ask_certificate body answer'
    environment = {"PATH": "/usr/bin:/bin", "JEROBOAM_ROOT": str(made.root)}
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert [len(api.paths), len(proxy.paths)] == ([1, 0] if reachable else [0, 1])
    assert made.text("/answer") == '{"credential": "abc"}'


def test_without_a_proxy_nothing_is_said_of_one() -> None:
    text = CASE.user_data(CASE.nodes[0])
    assert "JEROBOAM_PROXY" not in text.replace("gz+b64", "")
