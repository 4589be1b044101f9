#!/bin/sh
# Makes a node as available as it was before it was drained. Argument: node (UUID).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
uuid=$(argument node)
as_manager 300
read_members

for id in $(ids_of "${uuid:?}"); do
    was=$(docker node inspect --format '{{with index .Spec.Labels "io.jeroboam.availability"}}{{.}}{{end}}' "$id")
    [ -n "$was" ] || continue
    words=$(try docker node update --availability "$was" --label-rm io.jeroboam.availability "$id") ||
        fail "the node could not be made available: $words"
done
