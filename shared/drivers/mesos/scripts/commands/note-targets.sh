#!/bin/sh
# Writes the list of agents that Prometheus on this node scrapes. Argument: agents (NAME/ADDRESS of all agents).
# shellcheck disable=SC2154 # variables of monitoring.sh
set -eu
umask 022
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/monitoring.sh"
read_arguments
agents=$(argument agents)
case ${agents:?} in *[!A-Za-z0-9_./\ -]*) fail "agents: these are no names and addresses" ;; esac

separator=
{
    printf '['
    for agent in $agents; do
        printf '%s\n{"targets": ["%s"], "labels": {"instance": "%s"}}' "$separator" "${agent#*/}" "${agent%%/*}"
        separator=,
    done
    printf '\n]\n'
} >"$configuration/prometheus/agents.json.new"
# Prometheus notices that the file was replaced.
mv "$configuration/prometheus/agents.json.new" "$configuration/prometheus/agents.json"
