#!/bin/sh
# Prints the data of new events, and resumes without a gap when the connection is lost.
# Usage: TOKEN=... ./stream.sh http://127.0.0.1:9511 'outcome=completed,failed' [CURSOR]
set -u
url=$1/v1/events/stream?$2
cursor=${3:-}
printf '%s' "${cursor:-}" >"${CURSOR_FILE:=${TMPDIR:-/tmp}/jeroboam-cursor.$$}"

while :; do
    cursor=$(cat "$CURSOR_FILE")
    curl --silent --show-error --fail --no-buffer --max-time "${MAX_TIME:-0}" \
        --header "X-Auth-Token: $TOKEN" ${cursor:+--header "Last-Event-ID: $cursor"} "$url" |
        while IFS= read -r line; do
            case $line in
            "id: "*) printf '%s' "${line#id: }" >"$CURSOR_FILE" ;;
            "data: "*) printf '%s\n' "${line#data: }" ;;
            esac
        done
    [ -z "${ONCE:-}" ] || break
    sleep 2
done
