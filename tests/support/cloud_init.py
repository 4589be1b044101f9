"""cloud-init's own check of user data; fetched from the distribution where it is not on the machine.

Rule: as with the broker, root installs the package and anybody else unpacks the same package in a cache of his own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_SCHEMA_CHECK = """
import sys
from cloudinit.cmd.main import main
sys.argv = ["cloud-init", "schema", "--config-file", sys.argv[1]]
sys.exit(main())
"""


def cloud_init_schema(text: str, path: Path) -> str:
    """What `cloud-init schema` has against a cloud-config; empty when it takes it."""
    path.write_text(text)
    command, environment = _command()
    done = subprocess.run(
        [*command, str(path)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _command() -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if shutil.which("cloud-init") is None and os.geteuid() == 0:
        _run(["apt-get", "-q", "update"])
        _run(["apt-get", "-q", "-y", "--no-install-recommends", "install", "cloud-init"])
    installed = shutil.which("cloud-init")
    if installed is not None:
        return [installed, "schema", "--config-file"], environment
    # The distribution's interpreter has the libraries that its package is written for, or we unpack them with it.
    packages = _unpacked()
    environment["PYTHONPATH"] = str(packages / "usr/lib/python3/dist-packages")
    return ["/usr/bin/python3", "-c", _SCHEMA_CHECK], environment


def _unpacked() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jeroboam" / "cloud-init"
    if not (base / "usr/lib/python3/dist-packages/cloudinit").is_dir():
        base.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "-q", "download", *_PACKAGES.split()], base)
        for package in sorted(base.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(base)])
    return base


_PACKAGES = (
    "cloud-init python3-jsonschema python3-attr python3-pyrsistent python3-yaml python3-configobj python3-jinja2 "
    "python3-markupsafe python3-oauthlib python3-jsonpatch python3-json-pointer python3-requests python3-urllib3 "
    "python3-certifi python3-chardet python3-idna python3-netifaces python3-six python3-debconf"
)


def _run(command: list[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-800:]}")
