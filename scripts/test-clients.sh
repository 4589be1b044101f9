#!/bin/bash
# Run third-party clients and test suites against the sandbox: Magnum's acceptance suite (tempest), rally's Magnum
# scenarios, gophercloud, and the import of databases created by two releases of Magnum.
#
#   scripts/test-clients.sh [PYTEST ARGUMENTS...]
#
# Each tool has a separate environment with the pinned versions in tests/clients/requirements, because its dependencies
# conflict with the project's. Go and gophercloud are Debian packages. JEROBOAM_CLIENTS sets another directory for all of
# this.
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
