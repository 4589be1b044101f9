#!/bin/sh
# Empties nodes that go, all at once, and has Kubernetes forget them. Those that could not be emptied are results
# not_drained.<node>=<why>; they go all the same.
# Arguments: nodes, leaving (all that go, these among them), each a list with blanks between; timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
nodes=$(argument nodes)
leaving=$(argument leaving)
seconds=$(argument timeout)
as_admin 60

# known NODE...: those of them that Kubernetes knows. One that never joined has nothing to move.
known() {
    found=$(kubectl get node "$@" --ignore-not-found -o name) || fail "the API does not tell its nodes"
    printf '%s\n' "$found" | sed 's|^node/||'
}

# Before anything moves, so that no pod moves from one that goes to the next.
# shellcheck disable=SC2086 # lists of names
all=$(known ${leaving:-$nodes})
# shellcheck disable=SC2086
[ -z "$all" ] || kubectl cordon $all >/dev/null
# shellcheck disable=SC2086
present=$(known ${nodes:?})
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for node in $present; do
    kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --force --timeout "${seconds:-600}s" \
        >"$work/$node" 2>&1 || result "not_drained.$node" "$(why "$work/$node")" &
done
wait
# shellcheck disable=SC2086
[ -z "$present" ] || kubectl delete node $present --ignore-not-found >/dev/null
