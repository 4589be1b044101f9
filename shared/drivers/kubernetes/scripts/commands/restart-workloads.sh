#!/bin/sh
# Starts anew what keeps pods running, each the way it was told to, so that every pod reads the cluster's authorities
# as they are now. Says what did not come back in time; that holds up nothing. Argument: timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
kubernetes=$root/etc/kubernetes
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
seconds=$(argument timeout)
as_admin 300

# Pods get the authorities from a ConfigMap in every namespace, which the controller manager keeps.
is_published() {
    kubectl -n kube-system get configmap kube-root-ca.crt -o 'jsonpath={.data.ca\.crt}' | tr -d '\n' >"$work/published"
    tr -d '\n' <"$kubernetes/pki/ca.crt" | cmp -s - "$work/published" || {
        echo "the ConfigMap kube-root-ca.crt has the old ones"
        return 1
    }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
until_done 300 "pods cannot get the cluster's authorities" is_published
for kind in daemonsets deployments statefulsets; do
    kubectl get "$kind" --all-namespaces --no-headers \
        -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name >"$work/found"
    while read -r namespace name; do
        if words=$(kubectl -n "$namespace" rollout restart "$kind" "$name" 2>&1); then
            echo "$namespace $kind $name" >>"$work/restarted"
        else
            echo "not restarted $namespace/$name: $(printf '%s' "$words" | tail -n 1 | cut -c 1-120)"
        fi
    done <"$work/found"
done
[ -f "$work/restarted" ] || exit 0
end=$(($(date +%s) + ${seconds:?}))
while read -r namespace kind name; do
    left=$((end - $(date +%s)))
    kubectl -n "$namespace" rollout status "$kind" "$name" --timeout "$((left > 1 ? left : 1))s" >"$work/status" 2>&1 ||
        echo "not restarted $namespace/$name: $(tail -n 1 "$work/status" | cut -c 1-120)"
done <"$work/restarted"
