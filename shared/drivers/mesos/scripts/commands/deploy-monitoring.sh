#!/bin/sh
# Gives Marathon the apps of monitoring. Repeated, it changes only what is different. Marathon starts them later: an app
# for which there is no room waits. Arguments: agents (their number), home (UUID of the node of Prometheus and Grafana).
# shellcheck disable=SC2154 # variables of node.env and operator-api.sh
set -eu
umask 077
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
read_arguments
agents=$(argument agents) home=$(argument home)
case $agents in '' | *[!0-9]*) fail "agents: this is no number" ;; esac
case $home in '' | *[!0-9A-Za-z-]*) fail "home: this is no UUID" ;; esac

# Whole lines, so that no other text of the apps is taken for a place.
sed -e "s/^\( *\"instances\": \)\"@AGENTS@\"/\1$agents/" -e "s/^\( *\)\"@HOME@\"\$/\1\"$home\"/" "$etc/monitoring/group.json" >"$scratch/group.json"
end=$(($(date +%s) + retry_seconds))
while :; do
    # `force`: a deployment that waits, for example for room, is replaced.
    code=$(curl --config "$own/curl-marathon" --silent --noproxy '*' --proto =http --connect-timeout 5 --max-time 60 \
        --output "$answer" --write-out '%{http_code}' --request PUT --header 'Content-Type: application/json' \
        --data-binary "@$scratch/group.json" \
        "http://$NODE_ADDRESS:$MARATHON_PORT/v2/groups/monitoring?force=true") || code=000
    case $code in
    200 | 201) exit 0 ;;
    000 | 5??) ;; # there is no leader at the moment
    *) fail "Marathon refused the apps of monitoring: $code $(why "$answer")" ;;
    esac
    [ "$(date +%s)" -lt "$end" ] || fail "Marathon did not take the apps of monitoring: $code"
    sleep "${JEROBOAM_RETRY_SECONDS:-2}"
done
