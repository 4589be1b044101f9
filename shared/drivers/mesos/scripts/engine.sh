#!/bin/sh
# What the Mesos engine checks on its nodes; sourced after node.env, functions.sh and operator-api.sh.
# shellcheck disable=SC2154 # variables of operator-api.sh

# A master works: `srvr` shows a mode only with a quorum, while `ruok` is answered without one.
zookeeper_mode() { echo srvr | curl --silent --max-time 5 "telnet://$NODE_ADDRESS:${ZOOKEEPER_PORT:-2181}" | sed -n 's/^Mode: //p'; }
has_quorum() {
    case $(zookeeper_mode) in
    leader | follower | standalone) ;;
    *)
        echo "ZooKeeper has no quorum"
        return 1
        ;;
    esac
}

# has_marathon: whether Marathon is registered and has a leader.
has_marathon() {
    marathon=http://$NODE_ADDRESS:$MARATHON_PORT
    info=$(get curl-marathon "$marathon/v2/info") || {
        echo "Marathon does not answer"
        return 1
    }
    framework=$(printf '%s' "$info" | value /frameworkId)
    case $framework in
    '' | null)
        echo "Marathon is not registered at Mesos"
        return 1
        ;;
    esac
    get curl-marathon "$marathon/v2/leader" >/dev/null || {
        echo "Marathon has no leader"
        return 1
    }
}

# What agent.sh needs to know of this engine's agents.
# shellcheck disable=SC2034
agent_service=mesos-slave
start_agent() { systemctl restart mesos-slave; }
# shellcheck source=/dev/null
agent_directory() { (. "$own/agent.env" && echo "$MESOS_WORK_DIR"); }
