#!/bin/sh
# Sets the labels of a nodegroup on its nodes, removes those that it no longer has, and sets their availability.
# Arguments: nodes (UUIDs), labels (`name=value`), remove (names), each separated by blanks; availability, or nothing.
set -euf
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
read_arguments
nodes=$(argument nodes)
labels=$(argument labels)
remove=$(argument remove)
availability=$(argument availability)
as_manager 60
read_members

for uuid in ${nodes:?}; do
    for id in $(ids_of "$uuid"); do
        [ "$(state_of "$id")" = ready ] || continue
        set --
        for label in $labels; do set -- "$@" --label-add "$label"; done
        has=$(docker node inspect --format '{{range $key, $value := .Spec.Labels}}{{$key}} {{end}}' "$id")
        for label in $remove; do
            # Docker refuses to remove a label that is not there.
            case " $has " in *" $label "*) set -- "$@" --label-rm "$label" ;; esac
        done
        [ -z "$availability" ] || set -- "$@" --availability "$availability"
        [ "$#" -gt 0 ] || continue
        words=$(try docker node update "$@" "$id") || fail "the labels of node $uuid could not be set: $words"
    done
done
