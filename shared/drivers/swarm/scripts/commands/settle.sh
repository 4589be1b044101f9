#!/bin/sh
# After nodes have joined: removes nodes from the swarm that are down and not of the cluster any more, or whose machine
# has joined again, deploys the monitoring stack if there is one, and replaces the join tokens. Argument: nodes (UUIDs of
# the cluster's nodes).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
nodes=$(argument nodes)
as_manager 60
read_members

noted_members | while read -r id uuid _ state _; do
    [ "$state" = down ] && [ "$uuid" != - ] || continue
    case " $nodes " in
    *" $uuid "*)
        # Its newer entry is the one that works.
        ready=$(noted_members | awk -v uuid="$uuid" '$2 == uuid && $4 == "ready"' | wc -l)
        [ "$ready" -gt 0 ] || continue
        ;;
    esac
    words=$(forget "$id") || fail "node $id, which is down, could not be removed from the swarm: $words"
done
if [ -f "$etc/monitoring/stack.yml" ]; then
    # Nodes pull the images; the managers need not reach the registry.
    words=$(try docker stack deploy --prune --resolve-image never --compose-file "$etc/monitoring/stack.yml" monitoring) ||
        fail "the monitoring stack could not be deployed: $words"
fi
for role in worker manager; do
    try docker swarm join-token --rotate --quiet "$role" >/dev/null || fail "the join token could not be replaced"
done
