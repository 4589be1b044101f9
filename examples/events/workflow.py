"""Runs a command for every cluster that is ready: TOKEN=... python workflow.py http://127.0.0.1:9511 ./deploy.sh

The command gets the cluster's UUID as its argument. The cursor is stored after the command has succeeded, so that no
cluster is missed when this program stops: the command can run twice for a cluster, but not zero times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

CURSOR = Path(os.environ.get("CURSOR_FILE", "workflow.cursor"))
FILTER = {"type": "cluster.create.completed", "after": "latest"}


def follow(url: str, command: str) -> None:
    """Read one connection to its end."""
    headers = {"X-Auth-Token": os.environ["TOKEN"]}
    if CURSOR.exists():
        headers["Last-Event-ID"] = CURSOR.read_text()
    with httpx.stream("GET", f"{url}/v1/events/stream", params=FILTER, headers=headers, timeout=60) as response:
        if response.status_code == httpx.codes.GONE:  # the cursor is older than what is kept
            CURSOR.write_text(response.headers["X-Jeroboam-Cursor"])
            return
        response.raise_for_status()
        cursor = ""
        for line in response.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                subprocess.run([command, event["clusterid"]], check=True, timeout=600)
            if line.startswith("id: "):
                cursor = line.removeprefix("id: ")
            if not line and cursor:
                CURSOR.write_text(cursor)


if __name__ == "__main__":
    while True:
        try:
            follow(sys.argv[1], sys.argv[2])
        except (httpx.HTTPError, subprocess.SubprocessError) as error:
            print(f"interrupted: {error!r}", file=sys.stderr, flush=True)
        time.sleep(2)
