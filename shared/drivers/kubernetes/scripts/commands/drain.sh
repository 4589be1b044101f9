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
[ -n "$(kubectl get node "${node:?}" --ignore-not-found -o name)" ] || exit 0
kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --force --timeout "${seconds:-600}s"
