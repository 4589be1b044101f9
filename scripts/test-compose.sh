#!/bin/bash
# Run the compose stack on a Docker engine of its own: base images from Debian's packages, no registry.
#
#   scripts/test-compose.sh [PYTEST ARGUMENTS...]
#
# Needs root on Debian 12. Nothing is kept but the packages that are installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || { echo "test-compose: root is required for namespaces and mounts" >&2; exit 1; }

.venv/bin/python -m tests.compose.packages
.venv/bin/uv sync -q --frozen --inexact --all-extras --group compose --python .venv/bin/python
# What the engine makes is in namespaces that end with the test.
exec unshare --net --mount --pid --fork --kill-child --mount-proc /bin/sh -c \
  'ip link set lo up && exec .venv/bin/python -m pytest -m compose "$@"' test-compose "${@:-tests/compose}"
