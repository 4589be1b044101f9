#!/bin/sh
# Cordons and drains a node. Arguments: node, timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
node=$(argument node)
seconds=$(argument timeout)
as_admin 120
# A node that never joined or was already deleted does not need to be drained.
found=$(kube get node "${node:?}" --ignore-not-found -o name)
[ -n "$found" ] || exit 0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
drained=0
drain "$node" "${seconds:-600}" "$output" || drained=$?
cat "$output"
exit "$drained"
