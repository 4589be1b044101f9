"""cloud-config: the user data of operating systems that run cloud-init."""

from __future__ import annotations

import base64
import gzip
import json
from functools import lru_cache

from jeroboam.driver import File, MachineSetup

# Larger files are compressed, because one request to Heat, of at most 1 MiB, contains all nodes of a shard.
_PLAIN_BYTES = 4096


def render(machine: MachineSetup) -> str:
    """The `#cloud-config` of one machine."""
    units = [File(f"/etc/systemd/system/{unit.name}", unit.content) for unit in machine.units]
    document: dict[str, object] = {
        "hostname": machine.hostname,
        "preserve_hostname": False,
        "write_files": [_write(file) for file in (*machine.files, *units)],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            *(["systemctl", "enable", "--now", unit.name] for unit in machine.units),
        ],
    }
    if machine.ssh_public_key:
        document["ssh_authorized_keys"] = [machine.ssh_public_key]
    # JSON is YAML, and its encoder quotes every value.
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"


def _write(file: File) -> dict[str, str]:
    entry = {"path": file.path, "permissions": file.mode}
    if len(file.content) > _PLAIN_BYTES:
        return entry | {"encoding": "gz+b64", "content": _packed(file.content)}
    return entry | {"content": file.content}


@lru_cache(maxsize=16)
def _packed(content: str) -> str:
    """Encode for cloud-init's `gz+b64`; cached, because all nodes get the same agent."""
    return base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode()
