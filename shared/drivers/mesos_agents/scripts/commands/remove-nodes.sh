#!/bin/sh
# Drains agents that leave, and marks them gone, after which Mesos lets no agent of these IDs register again. For a node
# whose tasks were not given the time to end, the result is not_drained.<name>=<why>; for one that Mesos still lists,
# not_removed.<name>=<why>.
# Arguments: nodes (`UUID/name` each), leaving (UUIDs of all that leave), each separated by blanks; timeout (seconds).
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
leaving=$(argument leaving)
seconds=$(argument timeout)
seconds=${seconds:-600}

asked '{"type": "GET_VERSION"}'
version=$(value /get_version/version_info/version <"$answer")
can_drain() { printf '%s\n' "$version" | awk -F . '{ exit !($1 > 1 || ($1 == 1 && $2 >= 9)) }'; }

read_agents
noted_ids_of() { awk -v uuid="$1" '$1 == uuid { print $2 }' "$notes"; }
drained_ids() { awk '$3 == "DRAINED" { print $2 }' "$scratch/agents"; }
state_of() { awk -v id="$1" '$2 == id { print $3 }' "$scratch/agents"; }

# gone ID NAME: mark an agent gone. It ends at once if it runs, and is never accepted again.
gone() {
    call "{\"type\": \"MARK_AGENT_GONE\", \"mark_agent_gone\": {\"agent_id\": {\"value\": \"$1\"}}}" || :
    case $code in
    200 | 404) ;;
    *) result "not_removed.$2" "$(said)" ;;
    esac
}

if can_drain; then
    # All of them first, so that no task starts on one that leaves next.
    for uuid in $leaving; do
        for id in $(ids_of "$uuid"); do
            [ "$(state_of "$id")" = registered ] || continue
            # One that another command is draining in the meantime is refused.
            call "{\"type\": \"DEACTIVATE_AGENT\", \"deactivate_agent\": {\"agent_id\": {\"value\": \"$id\"}}}" || :
        done
    done
fi

for node in ${nodes:?}; do
    uuid=${node%%/*} name=${node#*/}
    ids=$(ids_of "$uuid")
    # One that Mesos does not list is unreachable, or has gone already.
    if [ -z "$ids" ] && [ -f "$notes" ]; then
        for id in $(noted_ids_of "$uuid"); do gone "$id" "$name"; done
    fi
    for id in $ids; do
        case $(state_of "$id") in
        DRAINING) ;;
        recovered | DRAINED) gone "$id" "$name" ;;
        *)
            if ! can_drain; then
                result "not_drained.$name" "Mesos $version cannot drain agents: its tasks were ended at once"
                gone "$id" "$name"
                continue
            fi
            drain="\"agent_id\": {\"value\": \"$id\"}, \"max_grace_period\": {\"seconds\": $seconds}, \"mark_gone\": true"
            call "{\"type\": \"DRAIN_AGENT\", \"drain_agent\": {$drain}}" || :
            if [ "$code" != 200 ]; then
                # It may have been drained by a call whose answer was lost, or have a machine in maintenance.
                result "not_drained.$name" "Mesos did not drain the agent: $(said)"
                gone "$id" "$name"
            fi
            ;;
        esac
    done
done

# Tasks have `seconds` to end; what Mesos needs to notice it is added.
end=$(($(date +%s) + seconds + ${JEROBOAM_MESOS_SLACK_SECONDS:-30}))
remaining() {
    read_agents
    for node in $nodes; do ids_of "${node%%/*}" | sed "s|\$| ${node#*/}|"; done
}
while :; do
    left=$(remaining)
    [ -n "$left" ] || break
    if [ "$(date +%s)" -ge "$end" ]; then
        printf '%s\n' "$left" | while read -r id name; do
            result "not_drained.$name" "tasks still ran after $seconds seconds"
            gone "$id" "$name"
        done
        break
    fi
    # A drain that ended without the mark, because another command had begun it.
    for id in $(drained_ids); do
        name=$(printf '%s\n' "$left" | awk -v id="$id" '$1 == id { print $2 }')
        [ -z "$name" ] || gone "$id" "$name"
    done
    sleep "${JEROBOAM_RETRY_SECONDS:-2}"
done
