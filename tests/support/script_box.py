"""Runs a script of the Kubernetes engine on a root of its own, with programs that a test defines."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "shared" / "drivers" / "kubernetes" / "scripts"


class ScriptBox:
    """Args: directory: an empty one."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self._programs = directory / "bin"
        self._programs.mkdir()
        admin = self.root / "etc" / "kubernetes" / "admin.conf"
        admin.parent.mkdir(parents=True)
        admin.touch()
        (self.root / "etc" / "jeroboam").mkdir()
        (self.root / "etc" / "jeroboam" / "node.env").write_text("PACKAGES=apt\n")

    def program(self, name: str, text: str) -> None:
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self._programs}:{os.environ['PATH']}", "JEROBOAM_ROOT": str(self.root)}
        return subprocess.run(
            ["sh", str(SCRIPTS / script)], env=environment, capture_output=True, text=True, timeout=30, check=True
        )
