#!/bin/sh
# Notes the IDs of this cluster's agents on this master: Mesos does not list an agent that is unreachable.
# Argument: nodes (UUIDs of the cluster's agents).
# shellcheck disable=SC2154 # variables of node.env and operator-api.sh
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
read_arguments
nodes=$(argument nodes)
read_agents

mkdir -p "${notes%/*}"
touch "$notes"
# What is listed now replaces what was noted of the same node; nodes that the cluster no longer has are left out.
awk -v nodes="$nodes" '
    BEGIN { count = split(nodes, listed, " "); for (i = 1; i <= count; i++) known[listed[i]] = 1 }
    FNR == NR { now[$1] = 1 }
    $1 in known && (FNR == NR || !($1 in now)) { print $1, $2 }' "$scratch/agents" "$notes" >"$notes.new"
mv "$notes.new" "$notes"
