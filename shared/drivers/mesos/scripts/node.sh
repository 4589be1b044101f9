#!/bin/sh
# Makes this machine a master or an agent of its Mesos cluster.
#
# Rule: it can be interrupted at any point and repeated: services whose settings have not changed are left alone. It ends
# when the node is part of the cluster, because Jeroboam's agent then reports that it has joined.
# shellcheck disable=SC2153,SC2154 # variables of node.env and operator-api.sh
set -eu
umask 022

root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/machine.sh"
# shellcheck source=/dev/null
. "$etc/trust.sh"
# shellcheck source=/dev/null
. "$etc/plugins.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
# shellcheck source=/dev/null
. "$etc/engine.sh"
# shellcheck source=/dev/null
. "$etc/agent.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# program NAME...: the path of the first program that the image has.
program() {
    for name in "$@"; do
        command -v "$name" && return
    done
    fail "the image has no $1: use an image for Mesos"
}

# install_unit NAME PROGRAM
install_unit() {
    mkdir -p "$root/etc/systemd/system"
    sed "s|@PROGRAM@|$2|" "$etc/units/$1.service" >"$root/etc/systemd/system/$1.service"
}

# changed NAME FILE...: whether these files are other than at the last `settled NAME`.
changed() {
    mark=$etc/units/$1.state
    shift
    cat "$@" | sha256sum >"$mark.now"
    ! cmp -s "$mark.now" "$mark"
}
settled() { mv "$etc/units/$1.state.now" "$etc/units/$1.state"; }

# start NAME FILE...: enable the service, and restart it if its settings have changed or it does not run.
start() {
    service=$1
    shift
    systemctl enable --quiet "$service"
    if changed "$service" "$@" || ! systemctl is-active --quiet "$service"; then
        step "start $service"
        systemctl restart "$service"
    fi
    settled "$service"
}

become_master() {
    master=$(program mesos-master)
    marathon=$(program marathon)
    configuration=$root/etc/zookeeper/conf
    [ -d "$configuration" ] || fail "the image has no ZooKeeper: use an image for Mesos"
    mkdir -p "$root/var/lib/zookeeper" "$root/var/lib/mesos/master"
    cat "$own/zoo.cfg" >"$configuration/zoo.cfg"
    # A link to the configuration in Debian's package, whose target this writes.
    cat "$own/myid" >"$root/var/lib/zookeeper/myid"
    install_unit mesos-master "$master"
    install_unit marathon "$marathon"
    systemctl daemon-reload
    start zookeeper "$own/zoo.cfg" "$own/myid"
    until_done 900 "this ZooKeeper is not part of a quorum" has_quorum
    start mesos-master "$own/master.env" "$own/credentials.json" "$own/acls.json" "$etc/units/mesos-master.service"
    until_done 300 "this Mesos master does not work" has_recovered
    until_done 300 "the Mesos masters do not work" has_leader
    start marathon "$own/marathon.env" "$own/marathon-secret" "$etc/units/marathon.service"
    until_done 300 "Marathon does not work" has_marathon
    if [ -n "$VIRTUAL_IP" ]; then
        command -v keepalived >/dev/null || install keepalived
        share_address no
    fi
}

become_agent() {
    agent=$(program mesos-agent mesos-slave)
    program docker >/dev/null
    mkdir -p "$root$(agent_directory)"
    install_unit mesos-slave "$agent"
    systemctl daemon-reload
    set --
    for each in "$root/etc/docker/daemon.json" "$root/etc/systemd/system/docker.service.d/proxy.conf"; do
        [ ! -f "$each" ] || set -- "$@" "$each"
    done
    start docker "$@" /dev/null
    install_plugins
    if [ -f "$etc/monitoring.sh" ]; then
        # shellcheck source=/dev/null
        . "$etc/monitoring.sh"
        prepare_monitoring
    fi
    systemctl enable --quiet mesos-slave
    set -- "$own/attributes.env" "$own/agent.env" "$own/credential.json" "$own/agent-credentials.json"
    [ ! -f "$own/executor-environment.json" ] || set -- "$@" "$own/executor-environment.json"
    if changed mesos-slave "$@" "$etc/units/mesos-slave.service" || ! systemctl is-active --quiet mesos-slave; then
        step "start mesos-slave"
        restart_agent
    fi
    until_done 300 "the Mesos agent does not register" is_registered
    settled mesos-slave
}

mount_container_volume
trust_extra_authorities docker
if [ "$MASTER" = yes ]; then become_master; else become_agent; fi
step "done"
