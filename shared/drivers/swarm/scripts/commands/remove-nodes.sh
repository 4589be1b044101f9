#!/bin/sh
# Empties nodes that leave, and removes them from the swarm. For a node that was removed with tasks on it, the result is
# not_drained.<name>=<why>. A manager whose removal would cost the swarm its quorum is kept, and the command fails.
# Arguments: nodes (`UUID/name` each), leaving (UUIDs of all that leave), each separated by blanks; timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
nodes=$(argument nodes)
leaving=$(argument leaving)
seconds=$(argument timeout)
as_manager 60
read_members

# All of them first, so that no task moves from one that leaves to the next.
for uuid in $leaving; do
    for id in $(ids_of "$uuid"); do
        # One that another command has removed in the meantime is not found.
        try docker node update --availability drain "$id" >/dev/null || :
    done
done

end=$(($(date +%s) + ${seconds:-600}))
empty() {
    until [ "$(running_on "$1")" = 0 ]; do
        # Tasks of a node that is down are listed as they were; Swarm starts them elsewhere.
        [ "$(docker node inspect --format '{{.Status.State}}' "$1")" = ready ] || return 0
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 2
    done
}

for node in ${nodes:?}; do
    uuid=${node%%/*} name=${node#*/}
    for id in $(ids_of "$uuid"); do
        # Nothing runs on a node that is down; Swarm starts its tasks elsewhere.
        if [ "$(state_of "$id")" = ready ] && ! empty "$id"; then
            result "not_drained.$name" "tasks still ran after ${seconds:-600} seconds"
        fi
        words=$(forget "$id") || fail "$name could not be removed from the swarm: $words"
    done
done
