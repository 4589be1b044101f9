#!/bin/sh
# What the node's scripts share; sourced by them.
root=${JEROBOAM_ROOT:-}

step() { echo "== $*"; }
fail() {
    echo "jeroboam: $*" >&2
    exit 1
}

# until_done SECONDS WHAT COMMAND...: repeat the command until it succeeds, or fail with WHAT and its last words.
until_done() {
    end=$(($(date +%s) + $1)) what=$2
    shift 2
    until words=$("$@" 2>&1); do
        [ "$(date +%s)" -lt "$end" ] || fail "$what: $(printf '%s' "$words" | tail -n 3)"
        sleep "${JEROBOAM_RETRY_SECONDS:-3}"
    done
}

# fetch LABEL URL FILE: from the operator's own mirror.
fetch() {
    http_proxy=${http_proxy:-} https_proxy=${https_proxy:-} no_proxy=${no_proxy:-} \
        curl --fail --silent --show-error --location --retry 5 --retry-delay 3 --connect-timeout 10 --max-time 120 \
        --output "$3" "$2" || fail "label $1: $2 could not be fetched"
}

# use_mirror VERSION: packages of that minor version come from the operator's mirror.
use_mirror() {
    packages=$KUBERNETES_APT_MIRROR/${1%.*}/deb
    mkdir -p "$root/etc/apt/keyrings" "$root/etc/apt/sources.list.d"
    fetch kubernetes_apt_mirror "$packages/Release.key" "$root/etc/apt/keyrings/kubernetes.asc"
    echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $packages/ /" \
        >"$root/etc/apt/sources.list.d/kubernetes.list"
}

# install PACKAGE...: with the archive's lists brought up to date.
install() {
    step "install $*"
    until_done 600 "apt-get update" apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y --no-install-recommends --allow-change-held-packages -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold install "$@" ||
        fail "the packages $* could not be installed"
    apt-mark hold kubeadm kubelet kubectl >/dev/null
}

# as_admin SECONDS: kubectl speaks as the cluster's administrator; waits that long for the API. Masters only.
as_admin() {
    export KUBECONFIG="$root/etc/kubernetes/admin.conf"
    until_done "$1" "the API does not answer /readyz" kubectl get --raw /readyz
}

is_ready() {
    ready=$(kubectl --kubeconfig "$root/etc/kubernetes/kubelet.conf" get node "$NODE_NAME" \
        -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{" "}{.status.conditions[?(@.type=="Ready")].message}')
    [ "${ready%% *}" = True ] || {
        echo "$ready"
        return 1
    }
}

# A command's arguments come on standard input as lines NAME=VALUE.
read_arguments() { arguments=$(cat); }

# result NAME VALUE: hands back one result of a command. An agent of the version before gives no file for results; they
# are printed then, and understood as well.
result() {
    if [ -n "${JEROBOAM_RESULTS:-}" ]; then
        printf '%s=%s\n' "$1" "$2" >>"$JEROBOAM_RESULTS"
    else
        printf '%s=%s\n' "$1" "$2"
    fi
}

# why FILE: the end of what a program printed, as the value of a result.
why() { tail -n 1 "$1" | tr '\011\015' '  ' | LC_ALL=C tr -cd '\012\040-\176' | cut -c 1-120; }

# argument NAME: one of them, or nothing.
argument() { printf '%s\n' "$arguments" | sed -n "s/^$1=//p" | head -n 1; }
