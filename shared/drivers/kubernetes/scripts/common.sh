#!/bin/sh
# Functions of the node's scripts that concern Kubernetes; sourced by them, and sources those of every engine.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/functions.sh"
# shellcheck source=/dev/null
. "$root/etc/jeroboam/programs.sh"

# fetch LABEL URL FILE [SECONDS]: download a URL that was given by a label.
fetch() {
    http_proxy=${http_proxy:-} https_proxy=${https_proxy:-} no_proxy=${no_proxy:-} \
        curl --fail --silent --show-error --location --retry 5 --retry-delay 3 --connect-timeout 10 \
        --max-time "${4:-120}" --output "$3" "$2" || fail "label $1: $2 could not be fetched"
}

# as_admin SECONDS: use kubectl as the cluster's administrator; wait up to SECONDS for the API. Masters only.
as_admin() {
    export KUBECONFIG="$root/etc/kubernetes/admin.conf"
    until_done "$1" "the API server is not ready" kubectl get --raw /readyz
}

# may_pass FILE: whether the errors of kubectl in FILE may be gone in a moment: the API cannot be reached or is busy, a
# server that has just started does not know the roles yet, etcd has no leader, the object was changed at the same time.
# How a wait ended is final, and so is what the API says of the request itself.
may_pass() {
    ! grep -Eiq -e 'global timeout reached|waiting for the condition|is invalid:' \
        -e '\((NotFound|Invalid|BadRequest|AlreadyExists|MethodNotAllowed)\)' "$1" && grep -Eiq \
        -e 'refused|connection reset|broken pipe|client connection lost|goaway|\bEOF\b|no route|network is unreachable' \
        -e 'timed? ?out|deadline exceeded|unable to connect|http: server closed|use of closed network connection' \
        -e '\((Forbidden|Unauthorized|TooManyRequests|InternalError|ServiceUnavailable|ServerTimeout|Timeout|Conflict)\)' \
        -e 'too many requests|unavailable|unable to handle the request|bad gateway|not ready|(re)?initializing' \
        -e "etcdserver: |leader changed|no leader|doesn't have a resource type|unable to return a response" "$1"
}

# kube ARGUMENT...: run kubectl, and again while its errors may pass: at most 10 times and for 5 minutes. Prints what the
# last run printed.
kube() {
    runs=10 end=$(($(date +%s) + 300)) errors=$(mktemp)
    while :; do
        code=0
        words=$(timeout 60 kubectl "$@" 2>"$errors") || code=$?
        [ "$code" -ne 124 ] || echo "kubectl $1 timed out" >>"$errors"
        runs=$((runs - 1))
        if [ "$code" -eq 0 ] || ! may_pass "$errors" || [ "$runs" -le 0 ] || [ "$(date +%s)" -ge "$end" ]; then break; fi
        sleep "${JEROBOAM_RETRY_SECONDS:-3}"
    done
    [ -z "$words" ] || printf '%s\n' "$words"
    cat "$errors" >&2
    rm -f "$errors"
    return "$code"
}

# drain NODE SECONDS FILE: move the node's pods elsewhere, respecting disruption budgets; what kubectl printed last is in
# FILE. A run that was interrupted is followed by another one for the time that is left, at least a moment. A node that
# does not exist is empty. kubectl runs in the background, so that a signal ends the wait for it.
drain() {
    runs=10 left=$2 end=$(($(date +%s) + $2))
    until
        kubectl drain "$1" --ignore-daemonsets --delete-emptydir-data --force --timeout "${left}s" >"$3" 2>&1 &
        wait "$!"
    do
        ! grep -q '(NotFound): nodes ' "$3" || return 0
        runs=$((runs - 1)) left=$((end - $(date +%s)))
        if ! may_pass "$3" || [ "$runs" -le 0 ] || [ "$left" -lt -60 ]; then return 1; fi
        [ "$left" -ge 10 ] || left=10
        sleep "${JEROBOAM_RETRY_SECONDS:-3}"
    done
}

# remove_join_token: delete the token with which earlier versions had nodes join, and which did not expire.
remove_join_token() {
    description=SmVyb2JvYW06IHVzZWQgYnkgbm9kZXMgdG8gam9pbiB0aGlzIGNsdXN0ZXI=
    found=$(kube -n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token \
        -o "jsonpath={.items[?(@.data.description==\"$description\")].metadata.name}") ||
        fail "the API does not list bootstrap tokens"
    # shellcheck disable=SC2086 # a list of names
    [ -z "$found" ] || kube -n kube-system delete secret --ignore-not-found $found ||
        fail "the cluster's bootstrap token could not be deleted"
}

# signing_key: the ID of the key with which service accounts' tokens are signed, as it is in their headers.
signing_key() {
    openssl pkey -pubin -in "$root/etc/kubernetes/pki/sa.pub" -outform DER | openssl dgst -sha256 -binary |
        base64 -w 0 | tr '+/' '-_' | tr -d '='
}

# key_of_token: the ID of the key of the token in standard input; nothing if it is no token. The padding that base64
# wants is at least as long as what is missing.
key_of_token() {
    header=$(cut -d . -f 1 | head -n 1 | tr '_-' '/+')
    printf '%s==' "$header" | base64 -d 2>/dev/null | sed -n 's/.*"kid": *"\([^"]*\)".*/\1/p'
}

is_ready() {
    ready=$(kubectl --kubeconfig "$root/etc/kubernetes/kubelet.conf" get node "$NODE_NAME" \
        -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{" "}{.status.conditions[?(@.type=="Ready")].message}')
    [ "${ready%% *}" = True ] || {
        echo "$ready"
        return 1
    }
}
