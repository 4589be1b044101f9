#!/bin/sh
# Gives nodes the labels and taints of their nodegroup, and takes off those it no longer has.
# Arguments, each a list with blanks between: nodes; labels (`name=value`, or `name-` to take off); taints
# (`key=value:Effect`) and untaint (`key:Effect-`).
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
        # A taint that is not there cannot be taken off, and need not be.
        for taint in $untaint; do kubectl taint -- node "$node" "$taint" || :; done
        [ -z "$taints" ] || kubectl taint --overwrite -- node "$node" $taints
    }
done
