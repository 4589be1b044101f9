#!/bin/sh
# Removes masters that leave: drains them and deletes them from Kubernetes as remove-nodes does, then removes their
# members of etcd. Results: those of remove-nodes.
#
# Rule: nothing is removed unless all other members of etcd work, so that no removal leaves the cluster without a quorum.
# It can be repeated at any time; what is gone already is skipped.
# Arguments: those of remove-nodes; addresses (of these masters' peers in etcd, separated by spaces).
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/common.sh"
read_arguments
nodes=$(argument nodes)
addresses=$(argument addresses)
as_admin 60

# etcdctl ARGUMENT...: in the container of this master's member, which has the program and the certificates.
etcdctl() {
    kube -n kube-system exec "etcd-$NODE_NAME" -- etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt \
        --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt \
        --key /etc/kubernetes/pki/etcd/healthcheck-client.key "$@"
}

# members: lines ID STATE NAME PEER CLIENT; a name or client that is not known is `-`. A member that was added and never
# started has no name, so it is found by its address.
members() {
    etcdctl --endpoints https://127.0.0.1:2379 member list >"$work/list" || fail "the members of etcd cannot be listed"
    awk -F ', ' '{ print $1, $2, $3 ? $3 : "-", $4, $5 ? $5 : "-" }' "$work/list"
}

# leaves NAME PEER: whether this member is one of those that leave.
leaves() {
    case " $nodes " in *" $1 "*) return 0 ;; esac
    host=${2#*://}
    case " $addresses " in *" ${host%:*} "*) return 0 ;; esac
    return 1
}

check_others() {
    others=
    while read -r _ state name peer client; do
        ! leaves "$name" "$peer" || continue
        [ "$state" = started ] && [ "$client" != - ] ||
            fail "etcd has a member that has not started, at $peer: no other member can be removed"
        others="$others${others:+,}$client"
    done <"$work/members"
    [ -n "$others" ] || fail "etcd has no other member"
    etcdctl --endpoints "$others" endpoint health >"$work/health" 2>&1 ||
        fail "not all other members of etcd work: $(grep 'is unhealthy' "$work/health" | tail -n 3)"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
members >"$work/members"
check_others
# shellcheck disable=SC2154 # read_arguments sets it
printf '%s\n' "$arguments" | "$etc/commands.d/remove-nodes"
while read -r id _ name peer _; do
    leaves "$name" "$peer" || continue
    step "remove the member $id of etcd"
    etcdctl --endpoints https://127.0.0.1:2379 member remove "$id" || fail "the member $id of etcd was not removed"
done <"$work/members"
