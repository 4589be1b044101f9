#!/bin/sh
# Sets the labels and taints of a nodegroup on its nodes and removes those that it no longer has.
# Nodes that could not be changed are results not_labelled.<node>=<why>; the others are changed nevertheless.
# Arguments, each a list separated by spaces: nodes; labels (`name=value`, or `name-` to remove); taints
# (`key=value:Effect`); untaint (`key:Effect-`).
# Each word is an argument of its own: `set -f` keeps the shell from replacing patterns, `--` ends kubectl's options.
set -euf
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
nodes=$(argument nodes)
labels=$(argument labels)
taints=$(argument taints)
untaint=$(argument untaint)
as_admin 60

# label NODE: a taint that is to be removed and does not exist is no error.
label() {
    # shellcheck disable=SC2086 # lists
    {
        if [ -n "$labels" ]; then kube label --overwrite -- node "$1" $labels || return 1; fi
        for taint in $untaint; do
            kube taint -- node "$1" "$taint" 2>"$work/untaint" && continue
            grep -q 'taint .*not found' "$work/untaint" || { cat "$work/untaint" >&2 && return 1; }
        done
        if [ -n "$taints" ]; then kube taint --overwrite -- node "$1" $taints || return 1; fi
    }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
left=
for node in ${nodes:?}; do
    label "$node" 2>"$work/why" && continue
    result "not_labelled.$node" "$(why "$work/why")"
    left="$left $node"
done
[ -z "$left" ] || fail "could not be labelled:$left"
