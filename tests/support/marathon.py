"""A stand-in for Marathon's groups over HTTP on loopback: `PUT /v2/groups/{id}`, as Marathon's reference describes it.

Rule: it refuses what Marathon refuses: wrong passwords, no JSON, fields that an app or a group does not have, values of
another type, and apps of another group. A group that stays the same causes no deployment.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.ports import free_port

# Fields and their types that the apps here may have; documentation of app.raml, appContainer.raml and volumes.raml.
_NUMBER = (int, float)
APP: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "args": list,
    "cmd": str,
    "constraints": list,
    "container": dict,
    "cpus": _NUMBER,
    "env": dict,
    "instances": int,
    "mem": _NUMBER,
    "portDefinitions": list,
    "taskKillGracePeriodSeconds": int,
    "upgradeStrategy": dict,
}
OPERATORS = {"UNIQUE": False, "CLUSTER": True}  # whether they have a value
Answer = tuple[int, dict[str, Any]]


class Marathon:
    """Args: user: `principal:secret`. `failures`: how many of the next requests meet no leader."""

    def __init__(self, user: str) -> None:
        self.user, self.failures = user, 0
        self.groups: dict[str, dict[str, Any]] = {}
        self.deployments: list[str] = []
        self.port = free_port()
        marathon = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                code, answer = marathon.put(self.path, body, dict(self.headers))
                text = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if headers.get("Authorization") != "Basic " + base64.b64encode(self.user.encode()).decode():
            return 401, {"message": "Invalid username or password."}
        if self.failures:
            self.failures -= 1
            return 503, {"message": "Could not determine the current leader"}
        if headers.get("Content-Type") != "application/json":
            return 415, {}
        parts = urlsplit(path)
        if not parts.path.startswith("/v2/groups/"):
            return 404, {}
        name = "/" + parts.path.removeprefix("/v2/groups/").strip("/")
        try:
            group = json.loads(body)
        except ValueError:
            return 400, {"message": "Invalid JSON"}
        if found := problems(name, group):
            return 422, {"message": "Object is not valid", "details": found}
        if self.groups.get(name) != group:
            # A deployment that has not ended is in the way of the next one.
            if self.deployments and parse_qs(parts.query).get("force") != ["true"]:
                return 409, {"message": "App is locked by one or more deployments."}
            self.groups[name] = group
            self.deployments.append(name)
        return 200, {"version": "2026-01-01T00:00:00.000Z", "deploymentId": "d"}


def problems(name: str, group: dict[str, Any]) -> list[str]:
    """What Marathon says against a group."""
    found = [f"/{field}: unknown" for field in group.keys() - {"id", "apps", "groups", "dependencies"}]
    if group.get("id") != name:
        found.append("/id: not the path's")
    for app in group["apps"]:
        found += [f"{app.get('id')}: {text}" for text in _app_problems(name, app)]
    return found


def _app_problems(group: str, app: dict[str, Any]) -> list[str]:
    found = [f"{field}: unknown" for field in app.keys() - APP.keys()]
    found += [
        f"{field}: of another type"
        for field, value in app.items()
        if field in APP and (not isinstance(value, APP[field]) or isinstance(value, bool))
    ]
    if found:
        return found
    if app["id"].rpartition("/")[0] != group:
        found.append(f"is not child of {group}")
    for field, operator, *value in app["constraints"]:
        if OPERATORS.get(operator) is not bool(value) or not all(isinstance(each, str) for each in (field, *value)):
            found.append(f"constraints: {operator}")
    container = app["container"]
    if container.keys() != {"type", "docker", "volumes"} or container["type"] != "DOCKER":
        found.append("container")
    if container["docker"].keys() != {"image"}:
        found.append("container/docker")
    for volume in container["volumes"]:
        if volume.keys() != {"hostPath", "containerPath", "mode"} or volume["mode"] not in ("RO", "RW"):
            found.append("container/volumes")
    if not all(isinstance(text, str) for text in (*app.get("args", ()), *app.get("env", {}).values())):
        found.append("args and env: texts only")
    if app.get("upgradeStrategy", {}).keys() - {"minimumHealthCapacity", "maximumOverCapacity"}:
        found.append("upgradeStrategy")
    return found
