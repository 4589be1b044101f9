#!/bin/sh
# Uncordons a node. Argument: node.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
node=$(argument node)
as_admin 600
kube uncordon "${node:?}"
