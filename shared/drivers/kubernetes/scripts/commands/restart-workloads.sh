#!/bin/sh
# Restarts what keeps pods running, each in the way it is configured to, so that every pod reads the cluster's
# authorities as they are now and gets a token of the current key. Tokens in Secrets are signed again before. What did not
# come back is a result not_restarted.<kind/namespace/name>=<why>.
#
# Rule: nothing is waited for that was not available before, because it may never be; for the rest, the timeout is that
# of all together. Argument: timeout (seconds).
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
until_done "$((seconds < 300 ? seconds : 300))" "pods cannot get the cluster's authorities" is_published

# tokens: lines NAMESPACE NAME TOKEN of Secrets with tokens of service accounts, which do not expire.
tokens() {
    kube get secrets --all-namespaces --field-selector type=kubernetes.io/service-account-token --no-headers \
        -o 'custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,TOKEN:.data.token' >"$work/tokens"
}

# The controller manager fills Secrets without a token.
are_signed() {
    tokens || return 1
    ! grep ' <none> *$' "$work/tokens"
}

tokens || fail "the API does not list the tokens in Secrets"
signing=$(signing_key)
while read -r namespace name token; do
    key=$(printf '%s' "$token" | base64 -d 2>/dev/null | key_of_token)
    if [ -z "$key" ] || [ "$key" = "$signing" ]; then continue; fi
    kube -n "$namespace" patch secret "$name" --type json -p '[{"op": "remove", "path": "/data/token"}]' \
        >/dev/null 2>"$work/status" </dev/null || grep -q '(NotFound)' "$work/status" ||
        result "not_restarted.secrets/$namespace/$name" "$(why "$work/status")"
done <"$work/tokens"
(until_done 120 "tokens in Secrets were not signed again" are_signed) 2>"$work/status" ||
    while read -r namespace name token; do
        [ "$token" != '<none>' ] || result "not_restarted.secrets/$namespace/$name" "its token was not signed again"
    done <"$work/tokens"

# workloads KIND: lines NAMESPACE NAME WANTED UPDATED AVAILABLE; what is not set is `<none>`.
workloads() {
    case $1 in
    daemonsets) counts=.status.desiredNumberScheduled,U:.status.updatedNumberScheduled,A:.status.numberAvailable ;;
    deployments) counts=.spec.replicas,U:.status.updatedReplicas,A:.status.availableReplicas ;;
    statefulsets) counts=.spec.replicas,U:.status.updatedReplicas,A:.status.readyReplicas ;;
    esac
    kube get "$1" --all-namespaces --no-headers \
        -o "custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,W:$counts"
}

# is_available WANTED UPDATED AVAILABLE
is_available() {
    [ "${1:-<none>}" = '<none>' ] ||
        { [ "${2#<none>}" = "$1" ] && [ "${3#<none>}" = "$1" ]; } || [ "$1" = 0 ]
}

for kind in daemonsets deployments statefulsets; do
    workloads "$kind" >"$work/found" || fail "the API does not list its $kind"
    while read -r namespace name wanted updated available; do
        workload=$kind/$namespace/$name
        if ! kube -n "$namespace" rollout restart "$kind" "$name" >"$work/status" 2>&1 </dev/null; then
            ! grep -q '(NotFound)' "$work/status" || continue
            result "not_restarted.$workload" "$(why "$work/status")"
        elif is_available "$wanted" "$updated" "$available"; then
            echo "$namespace $kind $name" >>"$work/restarted"
        else
            result "not_restarted.$workload" "it was not available before the restart and was not waited for"
        fi
    done <"$work/found"
done
[ -f "$work/restarted" ] || exit 0
end=$(($(date +%s) + ${seconds:?}))
while read -r namespace kind name; do
    left=$((end - $(date +%s)))
    if [ "$left" -lt -120 ]; then
        echo "it was not waited for after $seconds seconds" >"$work/status"
    elif kubectl -n "$namespace" rollout status "$kind" "$name" --timeout "$((left > 1 ? left : 1))s" \
        >"$work/status" 2>&1 </dev/null || grep -q '(NotFound)' "$work/status"; then
        continue
    fi
    result "not_restarted.$kind/$namespace/$name" "$(why "$work/status")"
done <"$work/restarted"
