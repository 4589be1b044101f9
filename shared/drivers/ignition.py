"""Ignition configurations: the user data of operating systems that are images, not packages.

Rule: specification 3.3.0, which Fedora CoreOS and Flatcar both read. The document is rendered by a JSON encoder, and
contents are encoded as data URLs, so no text of a user can change its structure. Source: Ignition's specification.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jeroboam.driver import File, MachineSetup

VERSION = "3.3.0"
USER = "core"
# Larger files are compressed, because one request to Heat, of at most 1 MiB, contains all nodes of a shard.
_PLAIN_BYTES = 4096


def render(machine: MachineSetup, own: Sequence[File]) -> str:
    """The configuration of one machine.

    Args:
        own: files of the operating system itself, such as the one that holds its updates.
    """
    hostname = File("/etc/hostname", f"{machine.hostname}\n")
    document: dict[str, Any] = {
        "ignition": {"version": VERSION},
        "storage": {"files": [_file(file) for file in (hostname, *own, *machine.files)]},
        "systemd": {
            "units": [{"name": unit.name, "enabled": True, "contents": unit.content} for unit in machine.units]
        },
    }
    if machine.ssh_public_key:
        document["passwd"] = {"users": [{"name": USER, "sshAuthorizedKeys": [machine.ssh_public_key.strip()]}]}
    return json.dumps(document)


def _file(file: File) -> dict[str, Any]:
    contents = {"source": "data:," + quote(file.content, safe="/:@,;=")}
    if len(file.content) > _PLAIN_BYTES:
        contents = {"source": f"data:;base64,{_packed(file.content)}", "compression": "gzip"}
    # The mode is a decimal number in the specification.
    return {"path": file.path, "mode": int(file.mode, 8), "overwrite": True, "contents": contents}


@lru_cache(maxsize=16)
def _packed(content: str) -> str:
    """Cached, because all nodes get the same agent."""
    return base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode()
