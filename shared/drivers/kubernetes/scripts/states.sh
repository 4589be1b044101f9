#!/bin/sh
# What the API server of this master says: api=ok, and <node>.Ready=<status> for each node that is not ready. The agent
# sends it with each heartbeat.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/node.env"
[ "$PACKAGES" = apt ] || PATH=$root$PROGRAMS_DIRECTORY:$PATH
export KUBECONFIG="$root/etc/kubernetes/admin.conf"
[ -f "$KUBECONFIG" ] || exit 0
if ! found=$(timeout 15 kubectl get nodes --request-timeout 10s \
    -o 'jsonpath={range .items[*]}{.metadata.name}{".Ready="}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'); then
    echo "api=not ready"
    exit 0
fi
echo "api=ok"
# A node without the condition has just registered.
printf '%s\n' "$found" | sed -e '/=True$/d' -e '/^$/d' -e 's/=$/=Unknown/'
