"""Fetches what the test needs before it is cut off from the network: `python -m tests.compose.packages`."""

from __future__ import annotations

import shutil
import sys

from sandbox import debian_packages, rabbitmq
from tests.compose.images import fill_uv_cache

ENGINE = ("docker.io", "containerd", "runc", "tini", "iptables", "iproute2", "python3", "procps", "binutils")
PROGRAMS = ("dockerd", "docker-init", "iptables", "ip", "python3", "ps", "strip")


def main() -> int:
    def holds(_prefix: object) -> bool:
        return all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in PROGRAMS)

    try:
        debian_packages.ensure("docker", ENGINE, holds)
        rabbitmq.ensure()
        fill_uv_cache()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
