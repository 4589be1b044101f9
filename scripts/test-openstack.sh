#!/bin/bash
# Run the tests that need a real OpenStack, on one that this script starts (deploy/lab). Needs root and Debian 12.
#
#   scripts/test-openstack.sh [--down] [PYTEST ARGUMENTS...]
#
# It keeps running, so that the next run starts within seconds; --down stops it after the tests. JEROBOAM_LAB sets another
# directory for it; with JEROBOAM_TEST_CLOUD, an existing cloud is used instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
DOWN=
if [ "${1:-}" = --down ]; then DOWN=1; shift; fi
LAB=${JEROBOAM_LAB:-/var/lib/jeroboam-lab}
if [ -z "${JEROBOAM_TEST_CLOUD:-}" ]; then
  deploy/lab/up.sh "$LAB"
  export JEROBOAM_TEST_CLOUD=$LAB/cloud.json
  # Tests that were ended may have left clusters in its projects.
  export JEROBOAM_TEST_CLOUD_CLEAN=1
  [ -z "$DOWN" ] || trap 'deploy/lab/down.sh "$LAB"' EXIT
fi
.venv/bin/python -m pytest -m openstack "${@:-tests}"
