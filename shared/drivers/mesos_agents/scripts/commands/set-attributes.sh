#!/bin/sh
# Gives this node's agent other attributes. Added ones leave its tasks alone; if an attribute changes or goes, the agent
# ends its tasks, which frameworks start elsewhere, and registers as another one. Argument: attributes.
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
# shellcheck source=/dev/null
. "$etc/engine.sh"
# shellcheck source=/dev/null
. "$etc/agent.sh"
read_arguments
attributes=$(argument attributes)
case ${attributes:?} in *[!A-Za-z0-9_./:\;-]*) fail "these are no attributes" ;; esac

printf "MESOS_ATTRIBUTES='%s'\n" "$attributes" >"$own/attributes.env.new"
mv "$own/attributes.env.new" "$own/attributes.env"
if [ -f "$own/attributes.applied" ] && [ "$(cat "$own/attributes.applied")" = "$attributes" ] && is_registered; then
    exit 0
fi
restart_agent
