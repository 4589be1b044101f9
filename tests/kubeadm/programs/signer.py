"""What the API answers a node's `POST /csr`, signed with the authority in two files: `PORT CERTIFICATE KEY`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from jeroboam.driver import NodeCertificate
from shared.pki.authority import KeyMaterial
from shared.pki.signing import sign_node_request


class Signer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        csr = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["csr"]
        authority = KeyMaterial(Path(sys.argv[2]).read_text(), Path(sys.argv[3]).read_text())
        name = self.path.split("/")[3]
        pem = sign_node_request(
            csr,
            authority,
            NodeCertificate("kubernetes", f"system:node:{name}", ["system:nodes"]),
            node_name=name,
            addresses=[],
            now=datetime.now(UTC),
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(pem)))
        self.end_headers()
        self.wfile.write(pem)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Signer).serve_forever()
