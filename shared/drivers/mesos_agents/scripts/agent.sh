#!/bin/sh
# Changes of an agent's attributes, for every engine that has Mesos agents; sourced after operator-api.sh and what the
# engine defines: agent_service (its unit), agent_directory (prints its working directory), start_agent and
# is_registered.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
own=$etc/mesos

# restart_agent: start the agent with the attributes of attributes.env. Mesos accepts more attributes of an agent, and
# the tasks go on; after any other change it has to leave, which ends its tasks, and register as another agent.
restart_agent() {
    # shellcheck source=/dev/null
    wanted=$(. "$own/attributes.env" && echo "$MESOS_ATTRIBUTES")
    if [ -f "$own/attributes.applied" ] && ! only_added "$(cat "$own/attributes.applied")" "$wanted"; then
        step "leave the cluster with the old attributes"
        # An agent that gets this signal ends its tasks and unregisters.
        systemctl kill --signal=SIGUSR1 "${agent_service:?}" || :
        until_done 120 "the Mesos agent does not stop" is_stopped
        rm -f "$root$(agent_directory)/meta/slaves/latest"
    fi
    start_agent
    until_done 300 "the Mesos agent does not register" is_registered
    printf '%s\n' "$wanted" >"$own/attributes.applied"
}

is_stopped() { ! systemctl is-active --quiet "$agent_service"; }

# only_added OLD NEW: whether NEW has every attribute of OLD.
only_added() {
    printf '%s\n' "$1" | tr ';' '\n' | while read -r attribute; do
        case ";$2;" in *";$attribute;"*) ;; *) exit 1 ;; esac
    done
}
