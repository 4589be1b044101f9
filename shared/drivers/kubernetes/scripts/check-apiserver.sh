#!/bin/sh
# Whether the API server of this master answers; keepalived and the health check ask.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/node.env"
status=$(curl --silent --insecure --max-time 3 --output /dev/null --write-out '%{http_code}' \
    "https://127.0.0.1:$API_PORT/livez")
# A refusal is an answer too: the operator may forbid anonymous questions.
case $status in 200 | 401 | 403) ;; *) exit 1 ;; esac
