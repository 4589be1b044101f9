#!/bin/sh
# What the DC/OS engine checks on its nodes; sourced after node.env, functions.sh and operator-api.sh.
# shellcheck disable=SC2154 # variables of node.env and operator-api.sh

# units_work: whether DC/OS' diagnostics finds all units of this node healthy; 0 is healthy.
units_work() {
    curl --silent --show-error --fail --noproxy '*' --connect-timeout 3 --max-time 20 --output "$scratch/health" \
        --unix-socket "$root/run/dcos/dcos-diagnostics.sock" http://localhost/system/health/v1 || {
        echo "the diagnostics API of DC/OS does not answer"
        return 1
    }
    json "$scratch/health" | LC_ALL=C awk -F '\t' '
        match($1, /^\/units\/[0-9]+\//) {
            unit = substr($1, 8, RLENGTH - 8)
            name = substr($1, RLENGTH + 1)
            if (name == "id") id[unit] = $2
            else if (name == "health") health[unit] = $2
        }
        END { for (unit in id) { count++; if (health[unit] != "0") print id[unit] } if (!count) print "no unit is known" }
    ' | sort >"$scratch/unhealthy"
    [ -s "$scratch/unhealthy" ] || return 0
    echo "not healthy: $(LC_ALL=C tr -cd '\012\040-\176' <"$scratch/unhealthy" | head -n 5 | tr '\n' ' ')"
    return 1
}

# serves_files: whether the bootstrap machine serves what it has generated.
serves_files() {
    curl --silent --fail --noproxy '*' --max-time 10 --head --output /dev/null "$BOOTSTRAP_URL/dcos_install.sh" || {
        echo "the bootstrap machine does not serve the installer"
        return 1
    }
}

is_healthy() {
    case $ROLE in
    bootstrap) serves_files ;;
    master) units_work && has_recovered && has_leader ;;
    *) units_work && is_registered ;;
    esac
}

# What agent.sh needs to know of this engine's agents.
# shellcheck disable=SC2034
case $ROLE in slave_public) agent_service=dcos-mesos-slave-public ;; *) agent_service=dcos-mesos-slave ;; esac
start_agent() {
    write_attributes
    systemctl restart "$agent_service"
}
agent_directory() { echo /var/lib/mesos/slave; }

# write_attributes: the settings of this node's agent, where DC/OS reads those of its operators.
write_attributes() {
    mkdir -p "$root/var/lib/dcos"
    {
        cat "$own/attributes.env"
        echo MESOS_RECONFIGURATION_POLICY=additive
    } >"$root/var/lib/dcos/mesos-slave-common"
}
