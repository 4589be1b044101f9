#!/bin/sh
# Functions that concern the swarm; sourced after functions.sh.
#
# Rule: nodes are found by the label io.jeroboam.node that each engine carries, and named by their IDs. Every call that
# may fail for a moment (an election, a version that has changed in between) is repeated for a bounded time.
retry_seconds=${JEROBOAM_SWARM_RETRY_SECONDS:-60}

# Docker's client must not use what the environment says.
unset DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT

local_state() { timeout 20 docker info --format '{{.Swarm.LocalNodeState}}'; }

# is_manager: whether this engine is a manager that has a quorum. `docker info` alone reports no loss of it, and what
# `docker node ls` shows can be old for a moment after it.
is_manager() {
    [ "$(timeout 20 docker info --format '{{.Swarm.ControlAvailable}} {{.Swarm.Error}}')" = "true " ] || {
        timeout 20 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
        return 1
    }
    timeout 10 docker node ls --quiet >/dev/null
}

# As a manager: wait up to SECONDS for a quorum.
as_manager() { until_done "$1" "the swarm has no quorum" is_manager; }

# try COMMAND...: repeat a call to the swarm for a bounded time; fails with its last output.
try() {
    try_end=$(($(date +%s) + retry_seconds))
    until said=$(timeout 30 "$@" 2>&1); do
        case $said in
        *"update out of sequence"* | *"does not have a leader"* | *"deadline exceeded"* | *"context canceled"* | \
            *"connection refused"* | *"Cannot connect"* | *"rpc error: code = Unavailable"* | "") ;;
        *)
            printf '%s\n' "$said"
            return 1
            ;;
        esac
        [ "$(date +%s)" -lt "$try_end" ] || {
            printf '%s\n' "${said:-no answer within 30 seconds}"
            return 1
        }
        sleep "${JEROBOAM_RETRY_SECONDS:-2}"
    done
    printf '%s' "$said"
}

# read_members: note the swarm's nodes as it is now, for the functions below.
read_members() { found_members=$(members); }
noted_members() { printf '%s\n' "$found_members"; }

# members: lines `<node ID> <UUID> <role> <state> <availability>`, one for each node of the swarm.
members() {
    ids=$(try docker node ls --quiet) || fail "the swarm does not list its nodes: $ids"
    # shellcheck disable=SC2086 # a list of IDs
    try docker node inspect --format '{{.ID}} {{with index .Description.Engine.Labels "io.jeroboam.node"}}{{.}}{{else}}-{{end}} {{.Spec.Role}} {{.Status.State}} {{.Spec.Availability}}' $ids ||
        fail "the swarm does not show its nodes"
    echo
}

# ids_of UUID: the IDs of a node; more than one if its machine joined again.
ids_of() { noted_members | awk -v uuid="$1" '$2 == uuid { print $1 }'; }
role_of() { noted_members | awk -v id="$1" '$1 == id { print $3 }'; }
state_of() { noted_members | awk -v id="$1" '$1 == id { print $4 }'; }

# forget ID: remove a node from the swarm; a manager is demoted first, which is refused without a quorum of the others.
forget() {
    if [ "$(role_of "$1")" = manager ]; then
        try docker node demote "$1" || return 1
        until_removable_end=$(($(date +%s) + retry_seconds))
        while [ -n "$(docker node inspect --format '{{if .ManagerStatus}}yes{{end}}' "$1" 2>/dev/null)" ] &&
            [ "$(date +%s)" -lt "$until_removable_end" ]; do
            sleep 1
        done
    fi
    words=$(try docker node rm --force "$1") || case $words in
    *"not found"*) ;;
    *)
        printf '%s\n' "$words"
        return 1
        ;;
    esac
}

# running_on ID: the number of tasks that run or are about to run on a node.
running_on() {
    timeout 30 docker node ps --format '{{.CurrentState}}' "$1" |
        awk '/^(Running|Starting|Preparing|Assigned|Accepted|Ready)/' | wc -l
}
