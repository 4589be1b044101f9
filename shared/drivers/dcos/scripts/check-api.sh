#!/bin/sh
# Exits with 0 while this master can serve requests: its Admin Router answers. keepalived runs it.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# Its certificate is self-signed.
curl --silent --insecure --noproxy '*' --max-time 3 --output /dev/null "https://$NODE_ADDRESS:$API_PORT/"
