#!/bin/sh
# Restarts what keeps pods running, each in the way it is configured to, so that every pod reads the cluster's
# authorities as they are now. What did not come back in time is a result not_restarted.<kind/namespace/name>=<why>;
# that holds up nothing. Argument: timeout (seconds).
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
        if kubectl -n "$namespace" rollout restart "$kind" "$name" >"$work/status" 2>&1; then
            echo "$namespace $kind $name" >>"$work/restarted"
        else
            result "not_restarted.$kind/$namespace/$name" "$(why "$work/status")"
        fi
    done <"$work/found"
done
[ -f "$work/restarted" ] || exit 0
end=$(($(date +%s) + ${seconds:?}))
while read -r namespace kind name; do
    left=$((end - $(date +%s)))
    kubectl -n "$namespace" rollout status "$kind" "$name" --timeout "$((left > 1 ? left : 1))s" >"$work/status" 2>&1 ||
        result "not_restarted.$kind/$namespace/$name" "$(why "$work/status")"
done <"$work/restarted"
