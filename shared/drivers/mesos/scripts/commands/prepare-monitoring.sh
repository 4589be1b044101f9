#!/bin/sh
# Prepares this node for Prometheus and Grafana: writes the list of what Prometheus scrapes, and makes directories that
# they can read and write; their images run as other users than root. Argument: agents (NAME/ADDRESS of all agents).
set -eu
umask 022
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/functions.sh"
read_arguments
agents=$(argument agents)
case ${agents:?} in *[!A-Za-z0-9_./\ -]*) fail "agents: these are no names and addresses" ;; esac
configuration=$etc/monitoring data=$root/var/lib/jeroboam/monitoring
nobody=65534

# The bootstrap makes directories that only root can read.
chmod 0755 "$configuration/prometheus" "$configuration/grafana" "$configuration/grafana"/*
mkdir -p "$data/prometheus" "$data/json-exporter"
chown "$nobody:$nobody" "$data/prometheus"
chmod 0700 "$data/prometheus"

# The exporter's configuration has a secret.
cp "$configuration/json-exporter.yml" "$data/json-exporter/config.yml.new"
chmod 0400 "$data/json-exporter/config.yml.new"
chown "$nobody:$nobody" "$data/json-exporter/config.yml.new"
mv "$data/json-exporter/config.yml.new" "$data/json-exporter/config.yml"

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
