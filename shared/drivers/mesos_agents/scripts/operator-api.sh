#!/bin/sh
# Functions for Mesos' operator API, for every engine that has Mesos masters; sourced after node.env and functions.sh.
#
# Variables: MASTERS, NODE_ADDRESS. Files of curl's configuration: curl-master, and others that an engine names.
#
# Rule: calls go to the masters that this cluster has, never to where an answer redirects. A call is repeated for a
# bounded time while no master leads (307, 503) or another change of an agent is under way (503).
retry_seconds=${JEROBOAM_MESOS_RETRY_SECONDS:-60}
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
own=$etc/mesos
# shellcheck disable=SC2034 # for scripts that source this
notes=$root/var/lib/jeroboam/agents

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# get CONFIG URL: print what a service of this cluster answers; CONFIG has the credential.
get() {
    curl --config "$own/$1" --fail --silent --show-error --noproxy '*' --proto =http --connect-timeout 3 --max-time 5 "$2"
}

# call BODY: a call of the operator API. Sets `code` and writes the answer to $answer; fails if no master answered.
answer=$scratch/answer
call() {
    call_end=$(($(date +%s) + retry_seconds)) code=000 told=
    while :; do
        for master in $MASTERS; do
            : >"$answer"
            code=$(curl --config "$own/curl-master" --silent --noproxy '*' --proto =http --connect-timeout 5 \
                --max-time 30 --output "$answer" --write-out '%{http_code}' --header 'Content-Type: application/json' \
                --header 'Accept: application/json' --data-binary "$1" "http://$master/api/v1") || code=000
            [ "$code" = 307 ] || told="$code $(LC_ALL=C tr -cd '\040-\176' <"$answer" | cut -c 1-200)"
            case $code in
            307 | 503 | 000) ;;
            *) return 0 ;;
            esac
        done
        [ "$(date +%s)" -lt "$call_end" ] || return 1
        sleep "${JEROBOAM_RETRY_SECONDS:-2}"
    done
}

# said: what a master that does not redirect answered last, in one line.
said() { echo "${told:-no answer}"; }

# asked BODY: `call`, and the command fails unless the answer is 200.
asked() {
    call "$1" || fail "no Mesos master leads: $(said)"
    [ "$code" = 200 ] || fail "the Mesos master refused a call: $(said)"
}

# json FILE: the values of a JSON text as lines PATH<tab>VALUE, such as `/agents/0/active	true`; texts as they are
# written, without their quotes.
json() {
    LC_ALL=C grep -oE '"([^"\\]|\\.)*"|[][{},:]|[^][{},:"[:space:]]+' "$1" | LC_ALL=C awk '
        function text(token) { return token ~ /^"/ ? substr(token, 2, length(token) - 2) : token }
        function place(  i, found) {
            for (i = 1; i <= depth; i++) found = found "/" key[i]
            return found
        }
        $0 == "{" { depth++; object[depth] = 1; named[depth] = 0; next }
        $0 == "[" { depth++; object[depth] = 0; key[depth] = 0; next }
        $0 == "}" || $0 == "]" { depth--; next }
        $0 == "," { if (object[depth]) named[depth] = 0; else key[depth]++; next }
        $0 == ":" { next }
        object[depth] && !named[depth] { key[depth] = text($0); named[depth] = 1; next }
        { print place() "\t" text($0) }'
}

# value PATH: one value of the JSON text on standard input.
value() {
    cat >"$scratch/value"
    json "$scratch/value" | awk -F '\t' -v path="$1" '$1 == path { print $2; exit }'
}

# read_agents: note the agents of this cluster as they are now, as lines UUID ID STATE. STATE is `recovered` for one
# that has not registered since the leader changed, `registered`, or what its drain is.
read_agents() {
    asked '{"type": "GET_AGENTS"}'
    json "$answer" | LC_ALL=C awk -F '\t' '
        match($1, /^\/get_agents\/(agents|recovered_agents)\/[0-9]+/) {
            agent = substr($1, 1, RLENGTH)
            rest = substr($1, RLENGTH + 1)
            sub(/^\/agent_info/, "", rest)
            if (rest == "/id/value") id[agent] = $2
            else if (rest == "/drain_info/state") state[agent] = $2
            else if (rest ~ /^\/attributes\/[0-9]+\/name$/ && $2 == "jeroboam_node")
                place[agent] = substr(rest, 1, length(rest) - 5)
            else if (rest ~ /^\/attributes\/[0-9]+\/text\/value$/)
                texts[agent, substr(rest, 1, length(rest) - 11)] = $2
        }
        END {
            for (agent in id) {
                uuid = texts[agent, place[agent]]
                if (uuid !~ /^[0-9a-zA-Z-]+$/ || id[agent] !~ /^[0-9a-zA-Z._-]+$/) continue
                how = agent ~ /recovered/ ? "recovered" : (agent in state) ? state[agent] : "registered"
                print uuid, id[agent], how
            }
        }' >"$scratch/agents"
}

# ids_of UUID: the IDs of a node's agents; more than one if its machine registered again.
ids_of() { awk -v uuid="$1" '$1 == uuid { print $2 }' "$scratch/agents"; }

# has_recovered: whether this master's replicated log has caught up. This is answered by every master itself.
has_recovered() {
    metrics=$(get curl-master "http://$NODE_ADDRESS:${MASTER_PORT:-5050}/metrics/snapshot") || {
        echo "the Mesos master does not answer"
        return 1
    }
    case $(printf '%s' "$metrics" | value /registrar/log/recovered) in
    1 | 1.0) ;;
    *)
        echo "the replicated log of this Mesos master has not recovered"
        return 1
        ;;
    esac
}

# has_leader: whether one of the masters leads and answers.
has_leader() {
    (
        retry_seconds=0
        call '{"type": "GET_HEALTH"}' && [ "$code" = 200 ]
    ) || {
        echo "no Mesos master leads"
        return 1
    }
}

# is_registered: whether this node's agent is registered at the leading master.
is_registered() {
    metrics=$(get curl-agent "http://$NODE_ADDRESS:${AGENT_PORT:-5051}/metrics/snapshot") || {
        echo "the Mesos agent does not answer"
        return 1
    }
    case $(printf '%s' "$metrics" | value /slave/registered) in
    1 | 1.0) ;;
    *)
        echo "the Mesos agent is not registered at a master"
        return 1
        ;;
    esac
}
