#!/bin/sh
# Functions of the node's scripts that concern Kubernetes; sourced by them, and sources those of every engine.
root=${JEROBOAM_ROOT:-}
# shellcheck source=/dev/null
. "$root/etc/jeroboam/functions.sh"

# fetch LABEL URL FILE: download a URL that was given by a label.
fetch() {
    http_proxy=${http_proxy:-} https_proxy=${https_proxy:-} no_proxy=${no_proxy:-} \
        curl --fail --silent --show-error --location --retry 5 --retry-delay 3 --connect-timeout 10 --max-time 120 \
        --output "$3" "$2" || fail "label $1: $2 could not be fetched"
}

# use_mirror VERSION: use the operator's mirror for packages of that minor version.
use_mirror() {
    packages=$KUBERNETES_APT_MIRROR/${1%.*}/deb
    mkdir -p "$root/etc/apt/keyrings" "$root/etc/apt/sources.list.d"
    fetch kubernetes_apt_mirror "$packages/Release.key" "$root/etc/apt/keyrings/kubernetes.asc"
    echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $packages/ /" \
        >"$root/etc/apt/sources.list.d/kubernetes.list"
}

# containerd_is VERSION: whether containerd has at least that version. Prints the one it has.
containerd_is() {
    has=$(containerd --version 2>/dev/null | awk '{ print $3 }' | sed -e 's/^v//' -e 's/[^0-9.].*//')
    echo "${has:-none}"
    is_at_least "$has" "$1"
}

# install_kubernetes PACKAGE...: install packages, and keep apt from upgrading those of Kubernetes by itself.
install_kubernetes() {
    install "$@"
    apt-mark hold kubeadm kubelet kubectl >/dev/null
}

is_at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# upgrade_containerd VERSION KUBERNETES: install the distribution's containerd if the present one is older than the first
# version, which the second one needs; fail if both are. An empty version is any.
upgrade_containerd() {
    if [ -z "$1" ] || containerd_is "$1" >/dev/null; then return; fi
    install containerd
    systemctl restart containerd
    found=$(containerd_is "$1") || fail "containerd $found is installed and Kubernetes $2 needs $1 or" \
        "newer (label containerd_version): use an image with it, or add a source of packages that has it"
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

is_ready() {
    ready=$(kubectl --kubeconfig "$root/etc/kubernetes/kubelet.conf" get node "$NODE_NAME" \
        -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{" "}{.status.conditions[?(@.type=="Ready")].message}')
    [ "${ready%% *}" = True ] || {
        echo "$ready"
        return 1
    }
}
