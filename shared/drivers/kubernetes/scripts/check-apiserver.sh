#!/bin/sh
# Checks whether the API server of this master is ready for requests; used by keepalived and the health check.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/node.env"
status=$(curl --silent --insecure --max-time 3 --output /dev/null --write-out '%{http_code}' \
    "https://127.0.0.1:$API_PORT/readyz")
# Options of the API server can forbid anonymous requests; then a response is all that can be checked.
case $status in 200 | 401 | 403) ;; *) exit 1 ;; esac
