#!/bin/sh
# Prints the facts of this node as lines NAME=VALUE.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
unset DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT
ask() { timeout 8 docker "$@" 2>/dev/null; }

version=$(ask version --format '{{.Server.Version}}' | sed 's/[^0-9.].*//')
[ -z "$version" ] || echo "docker_version=$version"
node=$(ask info --format '{{.Swarm.NodeID}}')
[ -n "$node" ] || exit 0
echo "swarm_node=$node"
[ "$MASTER" = yes ] || exit 0
leader=$(ask node inspect self --format '{{.ManagerStatus.Leader}}') || exit 0
case $leader in true) echo leader=yes ;; *) echo leader=no ;; esac
for role in worker manager; do
    token=$(ask swarm join-token --quiet "$role") && [ -n "$token" ] && echo "${role}_token=$token"
done
exit 0
