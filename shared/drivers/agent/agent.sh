#!/bin/sh
# Jeroboam's agent on a node. Protocol: docs/agent-protocol.md.
#
# Rule: it knows its user data and what the API tells it, holds no lifecycle logic, and may be killed at any moment:
# what it must remember is in $state, written whole or not at all, and everything else is asked for again.
set -u
umask 077

root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
state=$root/var/lib/jeroboam
log=$root/var/log/jeroboam-bootstrap.log
# shellcheck source=/dev/null
. "$etc/agent.env"
base=${JEROBOAM_URL%/}/v1/nodes/$JEROBOAM_NODE_ID
max_pause=${JEROBOAM_MAX_PAUSE:-60}
beat_every=${JEROBOAM_HEARTBEAT:-60}
bootstrap_limit=${JEROBOAM_BOOTSTRAP_LIMIT:-1500}
command_limit=${JEROBOAM_COMMAND_LIMIT:-3600}
by_proxy=
STOPPED=78 # told to the service manager: do not start me again
next_beat=0
escape=$(printf '\033')

mkdir -p "$state/results" "${log%/*}"
rm -rf "$state"/tmp.*
work=$(mktemp -d "$state/tmp.XXXXXX") || exit 1

say() { printf 'jeroboam-agent: %s\n' "$*" >&2; }

stop() {
    say "this node is being removed: stopping"
    rm -rf "$work"
    exit "$STOPPED"
}

# Sleep for about $1 seconds: half to one and a half of it, so that a thousand nodes do not call in step.
pause() {
    random=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
    seconds=$(($1 / 2 + random % ($1 + 1)))
    [ "$seconds" -ge 1 ] || seconds=1
    sleep "$seconds"
}

# store FILE: standard input becomes the file, or nothing does.
store() {
    cat >"$1.new" && mv -f "$1.new" "$1" && { sync "$1" 2>/dev/null || sync; }
}

# Standard input as a JSON string: its last 4000 printable characters, without a terminal's escape sequences.
quoted() {
    printf '"'
    LC_ALL=C sed "s|$escape\\[[0-?]*[ -/]*[@-~]||g" | tr '\011\015' '  ' |
        LC_ALL=C tr -cd '\012\040-\176' | tail -c 4000 | LC_ALL=C sed -e 's/[\\"]/\\&/g' -e 's/$/\\n/' | tr -d '\012'
    printf '"'
}

# Standard input, lines NAME=VALUE, as members of a JSON object; lines of another form are left out.
members() {
    LC_ALL=C awk '{ at = index($0, "="); name = substr($0, 1, at - 1); value = substr($0, at + 1) }
        at > 1 && at < 202 && name !~ /[^A-Za-z0-9._\/-]/ && length(value) <= 1000 && value !~ /[^ -~]/' |
        head -n 100 | sed -e 's/[\\"]/\\&/g' -e 's/^\([^=]*\)=\(.*\)$/"\1": "\2"/' | tr '\012' ',' | sed -e 's/,$//'
}

# web ARGUMENT...: curl, directly or by the template's proxy.
web() {
    if [ -z "${JEROBOAM_PROXY:-}" ]; then
        curl "$@"
    elif [ -z "$by_proxy" ]; then
        curl --noproxy '*' "$@"
    else
        http_proxy=$JEROBOAM_PROXY https_proxy=$JEROBOAM_PROXY curl --noproxy "$JEROBOAM_NO_PROXY" "$@"
    fi
}

# call SECONDS METHOD PATH [curl's arguments]: one request. Sets status (000: no whole answer) and retry_after.
call() {
    limit=$1 method=$2 path=$3
    shift 3
    [ ! -f "$etc/ca.pem" ] || set -- --cacert "$etc/ca.pem" "$@"
    : >"$work/head"
    status=$(web --silent --show-error --connect-timeout 10 --max-time "$limit" --request "$method" \
        --dump-header "$work/head" --output "$work/body" --write-out '%{http_code}' \
        --header 'Content-Type: application/json' "$@" "$base$path" 2>"$work/error") || status=000
    # The other way next time.
    [ "$status" != 000 ] || by_proxy=$([ -n "$by_proxy" ] || echo yes)
    retry_after=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,3\}\)[^0-9]*$/\1/p' "$work/head" | tail -n 1)
}

# ask FINAL SECONDS METHOD PATH [...]: a call as this node, repeated until its status is among FINAL.
# Fails on a refusal that would be the same next time.
ask() {
    final=$1 wait=1
    shift
    while :; do
        call "$@" --header "@$state/auth"
        case " $final " in *" $status "*) return 0 ;; esac
        case $status in
        409) stop ;;
        401) exchange ;;
        408 | 425 | 429) ;;
        4??)
            say "$2 $3 was refused with $status: $(head -c 300 "$work/body")"
            return 1
            ;;
        esac
        [ "$status" != 000 ] || say "$2 $3: $(head -c 300 "$work/error")"
        pause "${retry_after:-$wait}"
        wait=$((wait * 2 < max_pause ? wait * 2 : max_pause))
    done
}

# A secret of this machine. Its hash goes to the console, which only this machine can write and Jeroboam reads in Nova.
proof() {
    [ -s "$state/proof" ] || od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' | store "$state/proof"
    hash=$(sha256sum <"$state/proof" | cut -d ' ' -f 1)
    { printf '\njeroboam-agent: %s %s\n' "$JEROBOAM_NODE_ID" "$hash" >>"$root/dev/console"; } 2>/dev/null || :
}

# The one-time token for the node's own credential. Tried for ever: a node that failed may be given its token back.
exchange() {
    wait=1
    while :; do
        proof
        printf 'X-Jeroboam-Token: %s\nX-Jeroboam-Proof: %s\n' "$JEROBOAM_TOKEN" "$(cat "$state/proof")" >"$work/token"
        call 30 POST /credential --header "@$work/token"
        credential=$(sed -n 's/.*"credential": *"\([A-Za-z0-9_-]\{1,\}\)".*/\1/p' "$work/body" 2>/dev/null)
        if [ "$status" = 200 ] && [ -n "$credential" ]; then
            printf 'Authorization: Bearer %s\n' "$credential" | store "$state/auth"
            return
        fi
        case $status in
        000) say "cannot reach the API: $(head -c 300 "$work/error")" ;;
        401)
            say "the one-time token was refused"
            wait=$max_pause
            ;;
        *) say "the exchange was answered with $status" ;;
        esac
        pause "${retry_after:-$wait}"
        wait=$((wait * 2 < max_pause ? wait * 2 : max_pause))
    done
}

# report KIND MEMBERS: MEMBERS is JSON that follows the kind, or empty.
report() {
    printf '{"kind": "%s"%s}' "$1" "$2" >"$work/report"
    ask 204 30 POST /reports --data-binary "@$work/report"
}

# The node's IPv4 addresses as JSON strings, the one of its default route first.
addresses() {
    {
        ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'
        ip -o -4 addr show scope global 2>/dev/null | sed -n 's/.* inet \([0-9.]*\).*/\1/p'
    } | sed '/^$/d' | head -n 8 | sed -e 's/.*/"&"/' | tr '\012' ',' | sed -e 's/,$//'
}

# facts TRY...: report what the program `facts` of the bootstrap prints as lines NAME=VALUE, if that has changed.
# TRY is how to call: `ask 204`, or `call` for a single attempt.
facts() {
    [ -x "$etc/facts" ] || return 0
    timeout 20 "$etc/facts" >"$work/facts" 2>/dev/null </dev/null || return 0
    LC_ALL=C tr -cd '\012\040-\176' <"$work/facts" | LC_ALL=C sed -n '/^[a-z][a-z0-9_]\{0,63\}=/p' | head -n 32 |
        LC_ALL=C sed -e 's/[\\"]/\\&/g' -e 's/^\([a-z0-9_]*\)=\(.*\)$/"\1": "\2"/' | tr '\012' ',' |
        sed -e 's/,$//' >"$work/known"
    if [ ! -s "$work/known" ] || cmp -s "$work/known" "$state/facts"; then return 0; fi
    printf '{"kind": "facts", "facts": {%s}}' "$(cat "$work/known")" >"$work/report"
    "$@" 30 POST /reports --data-binary "@$work/report" --header "@$state/auth"
    [ "$status" != 204 ] || store "$state/facts" <"$work/known"
}

# A heartbeat, if one is due; one that was lost is repeated a little later.
beat() {
    now=$(date +%s)
    # The second test: the clock was set back.
    if [ "$now" -lt "$next_beat" ] && [ "$((now + beat_every))" -ge "$next_beat" ]; then return; fi
    next_beat=$((now + beat_every))
    health=
    [ ! -f "$state/joined" ] || health='"healthy": true'
    if [ -n "$health" ] && [ -x "$etc/health" ] && ! timeout 20 "$etc/health" >"$work/health" 2>&1 </dev/null; then
        health="\"healthy\": false, \"reason\": $(quoted <"$work/health")"
    fi
    if [ -n "$health" ] && [ -x "$etc/states" ]; then
        timeout 20 "$etc/states" 2>/dev/null </dev/null >"$work/states" || :
        health="$health, \"states\": {$(members <"$work/states")}"
    fi
    printf '{"kind": "heartbeat", "data": {%s}}' "$health" >"$work/beat"
    call 20 POST /reports --data-binary "@$work/beat" --header "@$state/auth"
    case $status in
    204) ;;
    409) stop ;;
    *) next_beat=$((now + (beat_every < 15 ? beat_every : 15))) ;;
    esac
    facts call
}

# run OUTPUT INPUT SECONDS COMMAND...: run it with a limit and heartbeats meanwhile; returns its status.
run() {
    output=$1 input=$2 seconds=$3
    shift 3
    rm -f "$work/code"
    {
        timeout -k 30 "$seconds" "$@"
        echo "$?" >"$work/code"
    } >"$output" 2>&1 <"$input" &
    while [ ! -s "$work/code" ] && kill -0 "$!" 2>/dev/null; do
        sleep 1
        beat
    done
    code=$(cat "$work/code" 2>/dev/null)
    [ "${code:=137}" != 124 ] || echo "it took longer than $seconds seconds" >>"$output"
    return "$code"
}

# bootstrap INPUT: fetch the node's bootstrap, run it with INPUT, say how it ended.
bootstrap() {
    given=$1
    report announced ", \"addresses\": [$(addresses)]"
    while :; do
        ask '200 403 425' 60 GET /bootstrap --header 'Accept: text/x-shellscript' || return 1
        if [ "$status" = 403 ]; then # it has joined, and was stopped before it had written that down
            echo joined | store "$state/joined"
            return
        fi
        # The last line proves that the whole of it has come.
        if [ "$status" = 200 ] && [ "$(tail -n 1 "$work/body")" = '# jeroboam: complete' ]; then break; fi
        [ "$status" = 425 ] || say "the bootstrap came incomplete"
        beat
        pause "${retry_after:-5}"
    done
    mv -f "$work/body" "$work/bootstrap"
    revision=$(sed -n 's/^# revision: \([A-Za-z0-9._+-]*\)$/\1/p' "$work/bootstrap" | head -n 1)
    [ ! -f "$log" ] || mv -f "$log" "$log.1"
    run "$log" "$given" "$bootstrap_limit" sh "$work/bootstrap"
    code=$?
    rm -f "$work/bootstrap" # it may hold keys
    if [ "$code" -eq 0 ]; then
        facts ask 204
        report joined ", \"data\": {\"version\": \"$revision\"}" && echo "$revision" | store "$state/joined"
        next_beat=0 # now there is something to tell
        return
    fi
    say "bootstrap ended with status $code; see $log"
    reason=$({
        echo "bootstrap ended with status $code:"
        tail -n 25 "$log"
    } | quoted)
    report failed ", \"reason\": $reason"
    return 1
}

# perform ID NAME ARGUMENTS: carry out one command and hand its result back. A result not yet handed back is kept, so a
# command that comes again is not carried out again.
perform() {
    case $1 in *[!A-Za-z0-9-]*) return ;; esac
    # A name that could be a path is no hook's.
    case $2 in *[!A-Za-z0-9_-]*) hook= ;; *) hook=$etc/commands.d/$2 ;; esac
    result=$state/results/$1
    if [ ! -f "$result" ]; then
        say "command $2 ($1)"
        ok=true
        out=$work/out
        printf '%s' "$3" | base64 -d >"$work/args"
        : >"$work/results"
        if [ "$2" = bootstrap ]; then
            out=$log
            bootstrap "$work/args" || ok=false
        elif [ -n "$hook" ] && [ -x "$hook" ]; then
            run "$out" "$work/args" "$command_limit" env JEROBOAM_RESULTS="$work/results" "$hook" || ok=false
        else
            ok=false
            echo "this node knows no command $2" >"$out"
        fi
        facts call # the command may have changed them, and what follows it may read them
        printf '{"ok": %s, "output": %s, "results": {%s}}' "$ok" "$(tail -n 40 "$out" 2>/dev/null | quoted)" \
            "$(members <"$work/results")" | store "$result"
    fi
    ask '204 404' 30 POST "/commands/$1/result" --data-binary "@$result" && rm -f "$result"
}

[ -s "$state/auth" ] || exchange
[ -f "$state/joined" ] || bootstrap /dev/null
while :; do
    beat
    asked=$(date +%s)
    hold=$((next_beat - asked < 50 ? next_beat - asked : 50))
    if ask 200 80 GET "/commands?wait=$((hold > 0 ? hold : 1))" --header 'Accept: text/plain' && [ -s "$work/body" ]; then
        mv -f "$work/body" "$work/commands"
        while read -r id name arguments <&3; do perform "$id" "$name" "$arguments"; done 3<"$work/commands"
    elif [ "$(($(date +%s) - asked))" -lt 1 ]; then
        pause 3 # an API that does not hold the poll must not be asked in a tight loop
    fi
done
