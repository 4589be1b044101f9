"""A machine for the agent: a directory as its root, filled from real user data, and the script as a process in it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import stat
import subprocess
from pathlib import Path

AGENT = "usr/local/sbin/jeroboam-agent"


class Machine:
    """Args:
    root: becomes the machine's root directory.
    user_data: a `#cloud-config`, whose files are written as cloud-init writes them.
    """

    def __init__(self, root: Path, user_data: str) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._log = root.parent / f"{root.name}.log"
        for file in json.loads(user_data.partition("\n")[2])["write_files"]:
            content = file["content"].encode()
            if file.get("encoding") == "gz+b64":
                content = gzip.decompress(base64.b64decode(content))
            self.write(file["path"], content, int(file["permissions"], 8))

    def write(self, path: str, content: bytes, mode: int) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)

    def boot(self, shell: str = "sh", **settings: object) -> None:
        """Start the agent as the service manager would, with /bin/<shell>.

        Settings are the agent's environment variables without JEROBOAM_.
        """
        environment = {"PATH": os.environ["PATH"], "JEROBOAM_ROOT": str(self.root), "JEROBOAM_MAX_PAUSE": "2"}
        environment |= {f"JEROBOAM_{name}": str(value) for name, value in settings.items()}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [f"/bin/{shell}", str(self.root / AGENT)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL the agent and all it started, as a reset of the machine would."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, 9)
        if self._process is not None:
            self._process.wait(10)

    async def exited(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, 30)

    def said(self) -> str:
        """All the agent wrote."""
        return self._log.read_text()

    def mode(self, path: str) -> str:
        return oct(stat.S_IMODE((self.root / path.lstrip("/")).stat().st_mode))

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def has(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()
