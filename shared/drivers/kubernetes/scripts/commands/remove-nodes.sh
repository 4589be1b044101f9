#!/bin/sh
# Drains nodes that leave, all at once, and deletes them from Kubernetes. Results: not_drained.<node>=<why> for each node
# that could not be drained, not_removed.<node>=<why> for each whose object is still there.
#
# Rule: pods of a node whose machine runs are evicted, never forced. If the machine is gone (the cloud says so, or its
# kubelet has been silent for a minute), no eviction ends: its pods and volumes are released, then its object is deleted.
# Arguments, each a list separated by spaces: nodes; leaving (all nodes that leave, including these); lost (nodes whose
# machines do not exist any more). timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
nodes=$(argument nodes)
leaving=$(argument leaving)
lost=$(argument lost)
seconds=$(argument timeout)
seconds=${seconds:-600}
as_admin 60
SILENT_SECONDS=60

# known NODE...: those of them that Kubernetes knows. A node that never joined has no pods.
known() {
    found=$(kube get node "$@" --ignore-not-found -o name) || fail "the API does not list its nodes"
    printf '%s\n' "$found" | sed 's|^node/||'
}

# is_dead NODE: whether its machine is gone. A kubelet that reports, even that the node is not ready, runs.
is_dead() {
    case " $lost " in *" $1 "*) return 0 ;; esac
    ready=$(kubectl get node "$1" 2>/dev/null \
        -o 'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status}{" "}{.lastTransitionTime}{end}') || return 1
    [ "${ready%% *}" = Unknown ] || return 1
    since=$(date -d "${ready#* }" +%s 2>/dev/null) || return 1
    [ -n "$since" ] && [ "$(($(date +%s) - since))" -ge "$SILENT_SECONDS" ]
}

# release NODE: what Kubernetes calls a non-graceful node shutdown. The taint lets the controller detach volumes.
release() {
    kube taint --overwrite node "$1" node.kubernetes.io/out-of-service=nodeshutdown:NoExecute &&
        kube delete pods --all-namespaces --field-selector "spec.nodeName=$1" --force --grace-period=0 --wait=false &&
        {
            runs=20
            while [ "$runs" -gt 0 ] && [ -n "$(attached "$1")" ]; do
                runs=$((runs - 1))
                sleep "${JEROBOAM_RETRY_SECONDS:-3}"
            done
        }
}

attached() {
    kubectl get volumeattachments -o "jsonpath={.items[?(@.spec.nodeName==\"$1\")].metadata.name}" 2>/dev/null
}

# empty NODE: drain it, or release it as soon as it is dead.
empty() {
    (
        trap 'kill "$!" 2>/dev/null; exit 143' TERM
        drained=0
        is_dead "$1" || drain "$1" "$seconds" "$work/$1" || drained=$?
        echo "$drained" >"$work/$1.drained"
    ) &
    job=$!
    while kill -0 "$job" 2>/dev/null && [ ! -s "$work/$1.drained" ]; do
        ! is_dead "$1" || break
        sleep "${JEROBOAM_RETRY_SECONDS:-5}"
    done
    if is_dead "$1"; then
        kill "$job" 2>/dev/null || :
        release "$1" >"$work/$1" 2>&1
    else
        [ "$(cat "$work/$1.drained")" = 0 ]
    fi
}

# Before anything moves, so that no pod moves from one that leaves to the next. A drain does it again.
# shellcheck disable=SC2086 # lists of names
all=$(known ${leaving:-$nodes})
# shellcheck disable=SC2086
[ -z "$all" ] || kube cordon $all >/dev/null || :
# shellcheck disable=SC2086
present=$(known ${nodes:?})
[ -n "$present" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for node in $present; do
    { empty "$node" || result "not_drained.$node" "$(why "$work/$node")"; } &
done
wait
# shellcheck disable=SC2086
kube delete node $present --ignore-not-found >/dev/null 2>"$work/delete" && exit 0
# shellcheck disable=SC2086
there=$(known $present) || there=$present
for node in $there; do result "not_removed.$node" "$(why "$work/delete")"; done
