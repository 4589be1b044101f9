#!/bin/sh
# Rotates Swarm's own authority, with which nodes authenticate each other. A node that is down holds it up without end,
# so the command fails before it begins and names such nodes. An engine that has just restarted is down for a moment.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
as_manager 120
are_up() {
    down=$(members | awk '$4 != "ready" && NF { print $2 }' | tr '\n' ' ')
    [ -z "$down" ] || {
        echo "$down"
        return 1
    }
}
until_done 120 "the swarm's authority cannot be rotated while nodes are down" are_up
is_rotating() { [ "$(docker info --format '{{.Swarm.Cluster.RootRotationInProgress}}')" = true ]; }
is_rotating || try docker swarm ca --rotate --detach --quiet >/dev/null || fail "the swarm's authority cannot be rotated"
is_done() { ! is_rotating; }
sleep 1
until_done 600 "the rotation of the swarm's authority has not ended" is_done
