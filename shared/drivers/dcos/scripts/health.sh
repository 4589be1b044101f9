#!/bin/sh
# Checks this node's part of DC/OS: prints problems and exits with 1, or exits with 0. The agent reports the output.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
# shellcheck source=/dev/null
. "$etc/engine.sh"

is_healthy
