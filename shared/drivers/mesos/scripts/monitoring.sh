#!/bin/sh
# What Prometheus, Grafana and the JSON exporter need on their machine; sourced by others. Agents have this file with
# `monitoring_enabled` only.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
configuration=$etc/monitoring

# prepare_monitoring: make directories that they can read and write; their images run as other users than root.
prepare_monitoring() {
    data=$root/var/lib/jeroboam/monitoring unprivileged=65534
    # The bootstrap makes directories that only root can read.
    chmod 0755 "$configuration/prometheus" "$configuration/grafana" "$configuration/grafana"/*
    mkdir -p "$data/prometheus" "$data/json-exporter"
    chown "$unprivileged:$unprivileged" "$data/prometheus"
    chmod 0700 "$data/prometheus"
    # The exporter's configuration has a secret.
    cp "$configuration/json-exporter.yml" "$data/json-exporter/config.yml.new"
    chmod 0400 "$data/json-exporter/config.yml.new"
    chown "$unprivileged:$unprivileged" "$data/json-exporter/config.yml.new"
    mv "$data/json-exporter/config.yml.new" "$data/json-exporter/config.yml"
}
