"""Stand-ins for what the scripts of DC/OS' nodes talk to: the bootstrap machine, the IAM, an agent, and diagnostics.

Rule: paths, methods and codes are those of DC/OS' documentation. The installer and its generator cannot be had here;
small scripts take their place, which refuse what the real ones refuse.
"""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox.ports import free_port

GENERATOR = b"""#!/bin/bash
set -e
[ "$1" = --genconf ] && [ -x genconf/ip-detect ] && [ -x genconf/ip-detect-public ]
grep -q '"bootstrap_url"' genconf/config.yaml
echo "generate" >>"$FAKE/calls"
mkdir -p genconf/serve
touch genconf/serve/dcos_install.sh
"""
INSTALLER = b"""#!/bin/bash
if [ -e "$JEROBOAM_ROOT/opt/mesosphere/etc" ]; then
    echo "Checking if DC/OS is already installed: FAIL (Currently installed)"
    exit 1
fi
echo "install $1" >>"$FAKE/calls"
mkdir -p "$JEROBOAM_ROOT/opt/mesosphere/etc" "$JEROBOAM_ROOT/etc/mesosphere/roles"
[ ! -f "$FAKE/interrupted" ] || exit 1
echo '{"version": "2.2.3", "dcos-variant": "open"}' >"$JEROBOAM_ROOT/opt/mesosphere/etc/dcos-version.json"
"""


class _Unix(ThreadingHTTPServer):
    address_family = socketserver.socket.AF_UNIX  # type: ignore[attr-defined]

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


class DcosServices:
    """Args: socket: the path of the diagnostics' socket.

    `unhealthy` are units that do not work, `registered` is what the agent says, `accounts` are those of the IAM.
    """

    def __init__(self, socket: Path) -> None:
        self.unhealthy: set[str] = set()
        self.registered = True
        self.accounts: dict[str, Any] = {}
        self.port = free_port()
        socket.parent.mkdir(parents=True, exist_ok=True)
        services = self

        class Web(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = services.get(self.path)
                self.send_response(404 if found is None else 200)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(found or b"")

            do_HEAD = do_GET

            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.removeprefix("/acs/api/v1/users/")
                known = name in services.accounts
                services.accounts.setdefault(name, body)
                self.send_response(409 if known else 201)
                self.end_headers()

            def address_string(self) -> str:
                return ""

            def log_message(self, *_: Any) -> None:
                pass

        self.servers = [ThreadingHTTPServer(("127.0.0.1", self.port), Web), _Unix(str(socket), Web)]  # type: ignore[arg-type]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def get(self, path: str) -> bytes | None:
        known: dict[str, bytes] = {
            "/generator.sh": GENERATOR,
            "/dcos_install.sh": INSTALLER,
            "/metrics/snapshot": json.dumps({"slave/registered": float(self.registered)}).encode(),
            "/system/health/v1": json.dumps(self.health()).encode(),
        }
        return known.get(path)

    def health(self) -> dict[str, Any]:
        units = ("dcos-adminrouter.service", "dcos-exhibitor.service", "dcos-gen-resolvconf.timer")
        listed = [
            {"id": unit, "health": int(unit in self.unhealthy), "output": "", "help": "", "name": "A unit"}
            for unit in units
        ]
        return {"units": listed, "hostname": "m0", "ip": "10.0.0.10", "node_role": "master", "dcos_version": "2.2.3"}

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
