"""A machine of an engine that has Mesos: a directory as its root, on which its scripts really run.

Rule: `systemctl` and the programs of the image only note how they were called; HTTP is real.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from jeroboam.driver import Bootstrap
from shared.drivers.agent import bundle
from shared.drivers.mesos import scripts

# `active` lists the services that run.
_SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$FAKE/calls"
for service; do :; done
case $1 in
is-active) grep -qx "$service" "$FAKE/active" ;;
restart) grep -qx "$service" "$FAKE/active" || echo "$service" >>"$FAKE/active" ;;
kill) sed -i "/^$service\\$/d" "$FAKE/active" ;;
esac
"""


class MesosMachine:
    """Args: directory: an empty one. masters: ports of the masters on loopback. script: the engine's node script."""

    def __init__(self, directory: Path, masters: list[int], script: str | None = None) -> None:
        self._script = script or scripts.text("node.sh")
        self.root, self.fake = directory / "root", directory / "fake"
        self._programs = directory / "bin"
        self._masters = masters
        self.environment: dict[str, str] = {}
        for each in (self.root, self.fake, self._programs):
            each.mkdir(exist_ok=True)
        (self.fake / "active").touch()
        (self.root / "etc/zookeeper/conf").mkdir(parents=True)
        self.program("systemctl", _SYSTEMCTL)
        for name in ("mesos-master", "mesos-agent"):
            self.program(name, '#!/bin/sh\necho "mesos 1.11.0"\n')
        for name in ("docker", "marathon"):
            self.program(name, "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        path = self._programs / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "JEROBOAM_ROOT": str(self.root),
            "JEROBOAM_RETRY_SECONDS": "0.1",
            "JEROBOAM_MESOS_SLACK_SECONDS": "1",
            "JEROBOAM_MESOS_RETRY_SECONDS": "3",
            "FAKE": str(self.fake),
            **self.environment,
        }
        return subprocess.run(
            ["sh", "-c", script], env=environment, input=given, capture_output=True, text=True, timeout=60, check=False
        )

    def write(self, found: Bootstrap) -> None:
        """The files of a bootstrap, for calls that go to the stand-ins on loopback."""
        done = self.run(bundle.render(Bootstrap("", found.files), "1"))
        assert done.returncode == 0, done.stderr
        environment = self.root / "etc/jeroboam/node.env"
        masters = " ".join(f"127.0.0.1:{port}" for port in self._masters)
        text = re.sub(r"^MASTERS=.*$", f"MASTERS='{masters}'", environment.read_text(), flags=re.MULTILINE)
        environment.write_text(re.sub(r"^NODE_ADDRESS=.*$", "NODE_ADDRESS=127.0.0.1", text, flags=re.MULTILINE))

    def join(self) -> subprocess.CompletedProcess[str]:
        return self.run(self._script)

    def command(self, name: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
        lines = "".join(f"{key}={value}\n" for key, value in arguments.items())
        return self.run(f'exec sh "$JEROBOAM_ROOT/etc/jeroboam/commands.d/{name}"', lines)

    def own(self, name: str) -> Path:
        return self.root / "etc/jeroboam/mesos" / name

    def calls(self) -> list[str]:
        path = self.fake / "calls"
        return path.read_text().splitlines() if path.exists() else []
