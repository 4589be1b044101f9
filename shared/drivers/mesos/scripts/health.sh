#!/bin/sh
# Checks this node's part of Mesos: prints problems and exits with 1, or exits with 0. The agent reports the output.
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

if [ "$MASTER" = yes ]; then
    has_quorum && has_recovered && has_leader && has_marathon
else
    is_registered
fi
