#!/bin/bash
# Run clients and suites that nobody here wrote against the sandbox: Magnum's own acceptance suite (tempest), rally's
# Magnum scenarios, gophercloud, and the import of databases that real Magnums of two releases made.
#
#   scripts/test-clients.sh [PYTEST ARGUMENTS...]
#
# Each tool gets an environment of its own outside the project's, from the pinned versions in
# tests/clients/requirements: their libraries contradict ours. Go and gophercloud are Debian's packages. JEROBOAM_CLIENTS
# names another place for what is made of all that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}
export JEROBOAM_CLIENTS=${JEROBOAM_CLIENTS:-$CACHE/jeroboam/clients}
for file in tests/clients/requirements/*.txt; do
  tool=$(basename "$file" .txt)
  place=$JEROBOAM_CLIENTS/$tool
  if ! cmp -s "$file" "$place/installed.txt"; then
    echo "test-clients: installing $tool into $place"
    .venv/bin/uv venv -q --clear --python .venv/bin/python "$place"
    .venv/bin/uv pip install -q --python "$place/bin/python" -r "$file"
    cp "$file" "$place/installed.txt"
  fi
done
.venv/bin/python -m tests.support.go_clients "$JEROBOAM_CLIENTS/go"
.venv/bin/python -m pytest -m clients "${@:-tests/clients}"
