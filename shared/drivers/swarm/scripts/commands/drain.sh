#!/bin/sh
# Drains a node for an upgrade, and notes how available it was. Arguments: node (UUID), timeout (seconds).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
uuid=$(argument node)
seconds=$(argument timeout)
as_manager 120
read_members

for id in $(ids_of "${uuid:?}"); do
    [ "$(state_of "$id")" = ready ] || continue
    noted=$(docker node inspect --format '{{with index .Spec.Labels "io.jeroboam.availability"}}{{.}}{{end}}' "$id")
    was=$(docker node inspect --format '{{.Spec.Availability}}' "$id")
    set -- --availability drain
    [ -n "$noted" ] || set -- "$@" --label-add "io.jeroboam.availability=$was"
    words=$(try docker node update "$@" "$id") || fail "the node could not be drained: $words"
    end=$(($(date +%s) + ${seconds:-600}))
    until [ "$(running_on "$id")" = 0 ]; do
        # A task may have nowhere else to go; the upgrade restarts it.
        [ "$(date +%s)" -lt "$end" ] || break
        sleep 2
    done
done
