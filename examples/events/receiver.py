"""Receives webhooks and checks their signatures: SECRET=whsec_... python receiver.py 8080

Create the webhook with `jeroboam webhook create URL --name NAME`; the response contains the secret. Put a proxy that
speaks https in front of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["SECRET"].removeprefix("whsec_"))
LONGEST_BODY = 1_000_000
seen: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length <= LONGEST_BODY else b""
        known = self.is_signed(body)
        if known and self.headers["webhook-id"] not in seen:  # a delivery can be repeated
            seen.add(self.headers["webhook-id"])
            event = json.loads(body)
            print(event["type"], event["subject"], json.dumps(event["data"]), flush=True)
        self.send_response(204 if known else 401)
        self.end_headers()

    def is_signed(self, body: bytes) -> bool:
        sent, message_id = self.headers.get("webhook-timestamp", ""), self.headers.get("webhook-id", "")
        if not sent.isdigit() or abs(time.time() - int(sent)) > 300:
            return False
        signed = f"{message_id}.{sent}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        given = self.headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(expected, each) for each in given)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
