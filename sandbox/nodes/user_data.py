"""Reads the agent's settings from user data.

Rule: only the agent's environment file and the CA are read from cloud-config and Ignition. JSON is tried before YAML,
because parsing YAML for a thousand nodes would take minutes.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import yaml

ENVIRONMENT_FILE = "/etc/jeroboam/agent.env"
CA_FILE = "/etc/jeroboam/ca.pem"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Settings of an agent.

    Args:
        url: URL of the API, without a trailing slash.
        node_id: ID of the node in the API.
        token: the one-time token.
        ca_pem: the CA of the API's certificate; None for plain HTTP or a publicly trusted one.
    """

    url: str
    node_id: str
    token: str
    ca_pem: str | None = None


def read_user_data(text: str) -> AgentSettings | None:
    """The agent's settings, or None if the user data contains no agent."""
    files = dict(_files(text))
    environment = files.get(ENVIRONMENT_FILE)
    if environment is None:
        return None
    pairs = (line.split("=", 1) for line in environment.splitlines() if "=" in line and not line.startswith("#"))
    values = {key.strip(): value.strip().strip("'\"") for key, value in pairs}
    try:
        return AgentSettings(
            url=values["JEROBOAM_URL"].rstrip("/"),
            node_id=values["JEROBOAM_NODE_ID"],
            token=values["JEROBOAM_TOKEN"],
            ca_pem=files.get(CA_FILE),
        )
    except KeyError:
        return None


def _files(text: str) -> Iterator[tuple[str, str]]:
    document = _document(text)
    for one in document.get("write_files") or []:
        yield str(one.get("path")), _content(str(one.get("content", "")), str(one.get("encoding", "")))
    for one in (document.get("storage") or {}).get("files") or []:
        contents = one.get("contents") or {}
        raw = _data_url(str(contents.get("source", "")))
        yield str(one.get("path")), (gzip.decompress(raw) if contents.get("compression") == "gzip" else raw).decode()


def _document(text: str) -> dict[str, Any]:
    body = text.partition("\n")[2] if text.startswith("#cloud-config") else text
    try:
        found = json.loads(body)
    except ValueError:
        try:
            found = yaml.safe_load(body)
        except yaml.YAMLError:
            return {}
    return found if isinstance(found, dict) else {}


def _content(text: str, encoding: str) -> str:
    if encoding == "gz+b64":
        return gzip.decompress(base64.b64decode(text)).decode()
    return base64.b64decode(text).decode() if encoding in {"b64", "base64"} else text


def _data_url(source: str) -> bytes:
    head, _, body = source.removeprefix("data:").partition(",")
    raw = unquote_to_bytes(body)
    return base64.b64decode(raw) if head.endswith(";base64") else raw
