#!/bin/sh
# Lets pods onto a node again. Argument: node.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
node=$(argument node)
export KUBECONFIG="$root/etc/kubernetes/admin.conf"
until_done 600 "the API does not answer /readyz" kubectl get --raw /readyz
kubectl uncordon "${node:?}"
