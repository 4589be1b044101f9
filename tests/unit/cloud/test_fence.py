"""Writes to the cloud under a lease: sent while it lasts, and not a moment longer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from sandbox.ports import free_port
from shared.cloud import fence as fences
from shared.cloud.calls import Calls
from shared.cloud.fence import Fence, fenced, ticks, write_limit
from shared.cloud.sessions import TimeoutAdapter
from shared.domain.errors import LostLease, TemporaryError


class Server:
    """Counts requests, and answers late if it is told to."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                outer.seen.append(f"{self.command} {self.path}")
                time.sleep(outer.delay)
                self.send_response(204)
                self.end_headers()

            do_GET = do_POST = do_DELETE = do_PUT = _answer

            def log_message(self, *_arguments: object) -> None:
                """Nothing is printed."""

        self.port = free_port()
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def send(self, method: str, path: str = "/x") -> int:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", TimeoutAdapter((5.0, 30.0), 2))
            return session.request(method, f"http://127.0.0.1:{self.port}{path}").status_code


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    made = Calls(threads=2, timeout=20)
    yield made
    await made.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_write_is_sent_after_the_lease(server: Server, method: str) -> None:
    with fenced(Fence("operation", 10, ticks() - 9.5)), pytest.raises(LostLease):
        server.send(method)
    assert server.seen == []


def test_reads_and_tokens_are_not_restricted(server: Server) -> None:
    with fenced(Fence("operation", 10, ticks() - 100)):
        assert server.send("GET") == 204
        assert server.send("POST", "/v3/auth/tokens") == 204


def test_a_renewed_lease_writes_on(server: Server) -> None:
    fence = Fence("operation", 10, ticks() - 100)
    fence.renewed(ticks())
    with fenced(fence):
        assert server.send("POST") == 204
        assert 9 < (write_limit("POST") or 0) < 10


def test_without_a_lease_only_the_timeouts_limit(server: Server) -> None:
    assert server.send("DELETE") == 204
    assert write_limit("DELETE") is None


def test_a_write_does_not_wait_longer_than_its_lease_lasts(server: Server) -> None:
    server.delay = 5
    began = time.monotonic()
    with fenced(Fence("operation", 1.0, ticks())), pytest.raises(requests.exceptions.ReadTimeout):
        server.send("POST")
    assert time.monotonic() - began < 2


async def test_the_fence_reaches_the_thread_in_which_the_call_runs(server: Server, calls: Calls) -> None:
    with fenced(Fence("operation", 10, ticks() - 100)):
        with pytest.raises(LostLease):
            await calls.run("write", lambda: server.send("POST"))
        assert await calls.run("read", lambda: server.send("GET")) == 204
    assert await calls.run("write", lambda: server.send("POST")) == 204
    assert server.seen == ["GET /x", "POST /x"]


async def test_a_call_that_waited_for_a_thread_is_checked_when_it_is_sent(server: Server) -> None:
    calls = Calls(threads=1, timeout=20)
    first = asyncio.create_task(calls.run("slow", lambda: time.sleep(1.2)))
    await asyncio.sleep(0.1)
    with fenced(Fence("operation", 1.0, ticks())), pytest.raises((LostLease, TemporaryError)):
        await calls.run("write", lambda: server.send("POST"))
    await first
    await calls.close()
    assert server.seen == []


_STOPPED = """
import os, signal
from shared.cloud.fence import Fence, ticks
from shared.domain.errors import LostLease
fence = Fence("operation", 0.5, ticks())
os.kill(os.getpid(), signal.SIGSTOP)
try:
    fence.limit()
    print("written")
except LostLease:
    print("lost")
"""


def test_the_clock_goes_on_while_the_process_is_stopped() -> None:
    """A process takes a lease of half a second, is stopped for longer, and must not write afterwards."""
    child = subprocess.Popen([sys.executable, "-c", _STOPPED], stdout=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    time.sleep(0.7)
    child.send_signal(signal.SIGCONT)
    assert child.communicate(timeout=20)[0] == "lost\n"


def test_the_clock_is_one_that_is_never_set() -> None:
    assert time.CLOCK_REALTIME != fences._CLOCK
