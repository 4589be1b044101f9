#!/bin/sh
# Has Kubernetes forget a node that goes. Argument: node.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
node=$(argument node)
export KUBECONFIG="$root/etc/kubernetes/admin.conf"
until_done 120 "the API does not answer /readyz" kubectl get --raw /readyz
kubectl delete node "${node:?}" --ignore-not-found
