"""The receiver of webhooks that `jeroboam demo` starts: it verifies each signature and counts what arrives.

Rule: it does what any receiver should do. A delivery whose signature is wrong or old is refused and makes the demo
fail; a delivery that arrives twice is recognized by its ID.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cli.api import ApiError
from sandbox.ports import free_port

_TOLERANCE = 300  # seconds between the attempt and its arrival
_LARGEST = 1024 * 1024


class DemoReceiver:
    """Args:
    prefix: printed before each event; events of nodes are counted, not printed.
    """

    def __init__(self, prefix: str = "  webhook: ") -> None:
        self.port = free_port()
        self.secret = ""
        self.events: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        self._prefix = prefix
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def accept(self, headers: Any, body: bytes) -> bool:
        """Verify and record one delivery. Returns whether it is authentic."""
        if not _authentic(self.secret, headers, body):
            self.refused.append(str(headers.get("webhook-id")))
            return False
        event = json.loads(body)
        with self._lock:
            known = event["id"] in self.events
            self.events[event["id"]] = event
        name = event["type"].removeprefix("io.jeroboam.").rsplit(".", 1)[0]
        if not known and not name.startswith("node.") and not name.endswith(".progressed"):
            print(f"{self._prefix}{name}", flush=True)
        return True

    def wait_for(self, ids: set[str], seconds: float) -> None:
        """Wait until all events with these IDs have arrived.

        Raises:
            ApiError: some did not arrive, or a signature was wrong.
        """
        end = time.monotonic() + seconds
        while (missing := ids - self.events.keys()) and not self.refused and time.monotonic() < end:
            time.sleep(0.05)
        if self.refused:
            raise ApiError(f"{len(self.refused)} deliveries had a wrong signature")
        if missing:
            raise ApiError(f"{len(missing)} of {len(ids)} events did not arrive at the webhook")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen during a block."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length") or 0), _LARGEST)
                accepted = receiver.accept(self.headers, self.rfile.read(length))
                self.send_response(204 if accepted else 401)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Print no line for each request."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _authentic(secret: str, headers: Any, body: bytes) -> bool:
    """Whether one of the signatures is that of this secret, and the attempt is recent."""
    identity, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdigit() or abs(time.time() - int(sent)) > _TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, f"{identity}.{sent}.".encode() + body, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(f"v1,{expected}", each) for each in given)
