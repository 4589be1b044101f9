#!/bin/sh
# Checks Kubernetes on this node: prints problems and exits with 1, or exits with 0. The agent reports the output.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/node.env"
wrong=0

bad() {
    echo "$*"
    wrong=1
}

for unit in containerd kubelet; do
    systemctl is-active --quiet "$unit" || bad "$unit is not running"
done
curl --silent --fail --max-time 3 --output /dev/null http://127.0.0.1:10248/healthz || bad "kubelet is not healthy"
if [ "$MASTER" = yes ]; then "$root/etc/jeroboam/check-apiserver" || bad "kube-apiserver is not healthy"; fi
exit "$wrong"
