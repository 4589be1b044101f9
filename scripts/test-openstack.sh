#!/bin/bash
# Run the tests that need a real OpenStack, on one that this brings up (deploy/lab). Needs root, and Debian 12.
#
#   scripts/test-openstack.sh [--down] [PYTEST ARGUMENTS...]
#
# It stays up for the next run, which then takes seconds to start; --down stops it when the tests are through.
# JEROBOAM_LAB names another directory for it, JEROBOAM_TEST_CLOUD another cloud altogether (then nothing is brought up).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
DOWN=
if [ "${1:-}" = --down ]; then DOWN=1; shift; fi
LAB=${JEROBOAM_LAB:-/var/lib/jeroboam-lab}
if [ -z "${JEROBOAM_TEST_CLOUD:-}" ]; then
  deploy/lab/up.sh "$LAB"
  export JEROBOAM_TEST_CLOUD=$LAB/cloud.json
  [ -z "$DOWN" ] || trap 'deploy/lab/down.sh "$LAB"' EXIT
fi
.venv/bin/python -m pytest -m openstack "${@:-tests}"
