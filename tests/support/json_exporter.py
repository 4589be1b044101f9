"""A stand-in for the JSON exporter: `/probe?module=...&target=...` with its configuration, over HTTP on loopback.

Rule: it has what its documentation says of modules, basic authentication, and metrics with a path that names one key.
A key that is missing gives no metric; a target that cannot be read gives 503.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import yaml

from tests.support.loopback_server import serving

_PATH = re.compile(r"\{\['([^']+)'\]\}")


@contextmanager
def json_exporter(config: str) -> Iterator[int]:
    """Serve; the port. Args: config: the text of its configuration."""
    modules = yaml.safe_load(config)["modules"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code, text = (404, "") if parts.path != "/probe" else probe(modules[query["module"]], query["target"])
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler) as port:
        yield port


def probe(module: dict[str, Any], target: str) -> tuple[int, str]:
    """The answer for one target: a status and metrics."""
    user = module["http_client_config"]["basic_auth"]
    try:
        answer = httpx.get(target, auth=(user["username"], user["password"]), timeout=5, trust_env=False)
        values = answer.raise_for_status().json()
    except httpx.HTTPError as error:
        return 503, str(error)
    lines = []
    for metric in module["metrics"]:
        path = _PATH.fullmatch(metric["path"])
        assert path is not None, metric
        if path[1] in values:
            lines += [f"# TYPE {metric['name']} {metric['valuetype']}", f"{metric['name']} {values[path[1]]}"]
    return 200, "\n".join(lines) + "\n"
