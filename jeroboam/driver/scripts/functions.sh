#!/bin/sh
# Functions of nodes' scripts, for every engine; sourced by them.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam

step() { echo "== $*"; }
fail() {
    echo "jeroboam: $*" >&2
    exit 1
}

# until_done SECONDS WHAT COMMAND...: repeat the command until it succeeds; on timeout, fail with WHAT and its last output.
until_done() {
    end=$(($(date +%s) + $1)) what=$2
    shift 2
    until words=$("$@" 2>&1); do
        [ "$(date +%s)" -lt "$end" ] || fail "$what: $(printf '%s' "$words" | tail -n 3)"
        sleep "${JEROBOAM_RETRY_SECONDS:-3}"
    done
}

# install PACKAGE...: update the package lists and install packages with apt.
install() {
    step "install $*"
    until_done 600 "apt-get update" apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y --no-install-recommends --allow-change-held-packages -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold install "$@" ||
        fail "the packages $* could not be installed"
}

# The arguments of a command are lines NAME=VALUE on standard input.
read_arguments() { arguments=$(cat); }

# argument NAME: print the value of an argument, or nothing.
argument() { printf '%s\n' "$arguments" | sed -n "s/^$1=//p" | head -n 1; }

# result NAME VALUE: write one result of a command. An agent of an earlier version provides no file for results; they are
# printed then, and read from the output.
result() {
    if [ -n "${JEROBOAM_RESULTS:-}" ]; then
        printf '%s=%s\n' "$1" "$2" >>"$JEROBOAM_RESULTS"
    else
        printf '%s=%s\n' "$1" "$2"
    fi
}

# why FILE: the end of a program's output, as the value of a result.
why() { tail -n 1 "$1" | tr '\011\015' '  ' | LC_ALL=C tr -cd '\012\040-\176' | cut -c 1-120; }

# certify SUBJECT KEY CERTIFICATE: a new key, and a certificate for it that Jeroboam's API signs, which sets its subject
# and names. Both files are replaced whole.
certify() {
    (
        umask 077
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$2.new" \
            -subj "$1" -out "$3.request" 2>/dev/null
        printf '{"csr": "%s"}' "$(sed 's/$/\\n/' "$3.request" | tr -d '\n')" >"$3.body"
    )
    until_done 300 "the certificate was not signed" ask_certificate "$3.body" "$3.new"
    rm -f "$3.request" "$3.body"
    mv -f "$2.new" "$2"
    mv -f "$3.new" "$3"
}

# ask_certificate REQUEST FILE: have the API sign the request.
ask_certificate() {
    request=$1 target=$2
    # shellcheck source=/dev/null
    . "$etc/agent.env"
    set --
    [ ! -f "$etc/ca.pem" ] || set -- --cacert "$etc/ca.pem"
    if [ -z "${JEROBOAM_PROXY:-}" ]; then
        send_request "$@"
    else
        send_request --noproxy '*' "$@" || (
            export http_proxy="$JEROBOAM_PROXY" https_proxy="$JEROBOAM_PROXY"
            send_request --noproxy "$JEROBOAM_NO_PROXY" "$@"
        )
    fi
}

# send_request ARGUMENT...: send it by curl with further arguments.
send_request() {
    curl --fail --silent --show-error --connect-timeout 10 --max-time 60 "$@" \
        --header "@$root/var/lib/jeroboam/auth" --header 'Content-Type: application/json' \
        --header 'Accept: application/x-pem-file' --data-binary "@$request" --output "$target" \
        "${JEROBOAM_URL%/}/v1/nodes/$JEROBOAM_NODE_ID/csr"
}
