#!/bin/sh
# Checks Docker on this node: prints problems and exits with 1, or exits with 0. The agent reports the output.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
unset DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT

bad() {
    echo "$*"
    exit 1
}

said=$(timeout 8 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}}' 2>&1) ||
    bad "Docker does not answer"
state=${said%% *} rest=${said#* }
[ "$state" = active ] || bad "the node is $state in the swarm: ${rest#* }"
[ -z "${rest#* }" ] || bad "${rest#* }"
[ "$MASTER" = yes ] || exit 0
[ "${rest%% *}" = true ] || bad "this manager does not control the swarm"
# Just after the quorum was lost, a list is still answered from memory; the second one is not.
for _ in 1 2; do
    timeout 5 docker node ls --quiet >/dev/null 2>&1 || bad "the swarm's managers have no quorum"
    sleep "${JEROBOAM_HEALTH_PAUSE:-2}"
done
exit 0
