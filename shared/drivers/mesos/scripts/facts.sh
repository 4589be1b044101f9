#!/bin/sh
# Prints the facts of this node as lines NAME=VALUE.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
programs="mesos-agent mesos-slave"
[ "$MASTER" != yes ] || programs=mesos-master
for program in $programs; do
    version=$(timeout 10 "$program" --version 2>/dev/null | sed -n 's/^mesos \([0-9][0-9.]*\).*/\1/p')
    [ -z "$version" ] || {
        echo "mesos_version=$version"
        exit 0
    }
done
exit 0
