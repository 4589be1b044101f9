#!/bin/sh
# Exits with 0 while this master can serve requests: its Marathon answers. keepalived runs it.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
[ "$(curl --silent --noproxy '*' --max-time 3 "http://$NODE_ADDRESS:$MARATHON_PORT/ping")" = pong ]
