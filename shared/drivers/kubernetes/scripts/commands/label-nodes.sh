#!/bin/sh
# Sets the labels and taints of a nodegroup on its nodes and removes those that it no longer has.
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

for node in ${nodes:?}; do
    # shellcheck disable=SC2086 # lists
    {
        [ -z "$labels" ] || kubectl label --overwrite -- node "$node" $labels
        # Removing a taint that does not exist fails, which is ignored.
        for taint in $untaint; do kubectl taint -- node "$node" "$taint" || :; done
        [ -z "$taints" ] || kubectl taint --overwrite -- node "$node" $taints
    }
done
