#!/bin/bash
# Run Docker Swarm clusters on machines that share this kernel: real cloud-init, the real agent, real engines.
#
#   scripts/test-swarm.sh [PYTEST ARGUMENTS...]
#
# Needs root on Debian 12. The machines' root file system (600 MB) is built once and kept under ~/.cache/jeroboam/netns.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || { echo "test-swarm: root is required for namespaces and mounts" >&2; exit 1; }

missing=
for package in debootstrap iproute2 dpkg-dev; do dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"; done
if [ -n "$missing" ]; then
  echo "test-swarm: installing Debian packages:$missing"
  apt-get -q update >/dev/null
  # shellcheck disable=SC2086 # a list
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >/dev/null
fi
.venv/bin/python -m pytest -m swarm "${@:-tests/swarm}"
