#!/bin/sh
# Exits with 0 while this manager can serve requests: its engine answers and has a quorum. keepalived runs it.
unset DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT
[ "$(timeout 3 docker info --format '{{.Swarm.ControlAvailable}} {{.Swarm.Error}}' 2>/dev/null)" = "true " ]
