#!/bin/sh
# Makes this machine a node of its swarm, or updates a manager's certificates (argument part=certificates).
#
# Rule: it can be interrupted at any point and repeated: each part looks at what is there first. An engine that is in a
# swarm already is left in it. It ends when the node is a member, because the agent then reports that it has joined.
set -eu
umask 022

root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
pki=$etc/pki
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/machine.sh"
# shellcheck source=/dev/null
. "$etc/trust.sh"
# shellcheck source=/dev/null
. "$etc/plugins.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

engine_version() { dockerd --version 2>/dev/null | sed -n 's/^Docker version \([0-9.]*\).*/\1/p'; }

# The engine is part of the image, or a package of the distribution.
install_engine() {
    missing=
    found=$(engine_version || :)
    if [ -z "$found" ] || { [ -n "$DOCKER_VERSION" ] && [ "$found" != "$DOCKER_VERSION" ] && ! is_member; }; then
        [ "$PACKAGES" = apt ] || fail "the image has Docker ${found:-nowhere} and the cluster needs" \
            "${DOCKER_VERSION:-any version}: use an image with it, or change the label docker_version"
        missing="docker.io${DOCKER_VERSION:+=$DOCKER_VERSION*}"
    fi
    [ -z "$VIRTUAL_IP" ] || command -v keepalived >/dev/null || missing="$missing keepalived"
    # shellcheck disable=SC2086 # a list of packages
    [ -z "$missing" ] || install $missing
}

is_member() { [ "$(local_state 2>/dev/null)" = active ]; }

# certified: whether the signing authority, the first in ca.pem, has signed the server's certificate.
certified() {
    [ -s "$pki/server-key.pem" ] && openssl x509 -in "$pki/ca.pem" -out "$pki/signer.pem" &&
        openssl verify -no-CApath -CAfile "$pki/signer.pem" "$pki/server.pem" >/dev/null 2>&1
}

certify_server() {
    [ "$MASTER" = yes ] || return 0
    if certified; then return; fi
    step "get a certificate for the API"
    certify "/CN=$NODE_NAME" "$pki/server-key.pem" "$pki/server.pem"
}

# The socket is systemd's if the unit of the distribution starts the engine with it, which its own must not repeat.
configure_engine() {
    socket=unix:///var/run/docker.sock
    [ ! -d "$root/run/systemd/system" ] || socket=fd://
    mkdir -p "$root/etc/docker" "$root/etc/systemd/system/docker.service.d"
    sed "s|@SOCKET@|$socket|" "$etc/daemon.json" >"$etc/daemon.json.now"
    # Since version 24, networks can have options by default.
    if [ -n "$NETWORK_MTU" ] && [ "$(engine_version | cut -d . -f 1)" -ge 24 ]; then
        options="\"default-network-opts\": {\"overlay\": {\"com.docker.network.driver.mtu\": \"$NETWORK_MTU\"}},"
        sed -i "0,/^{/s//{ $options/" "$etc/daemon.json.now"
    fi
    cat >"$etc/docker-unit.conf" <<END
[Service]
ExecStart=
ExecStart=$(command -v dockerd)
END
    # The engine reads its certificates only when it starts.
    cat "$etc/daemon.json.now" "$etc/docker-unit.conf" "$pki"/*.pem 2>/dev/null | sha256sum >"$etc/engine-state.now"
    systemctl daemon-reload
    if cmp -s "$etc/engine-state.now" "$etc/engine-state" && is_running; then return; fi
    step "configure Docker"
    if ! words=$(dockerd --validate --config-file "$etc/daemon.json.now" 2>&1); then
        case $words in *"unknown flag"*) ;; *) fail "Docker refuses its configuration: $words" ;; esac
    fi
    cp "$etc/daemon.json.now" "$root/etc/docker/daemon.json"
    cp "$etc/docker-unit.conf" "$root/etc/systemd/system/docker.service.d/jeroboam.conf"
    systemctl daemon-reload
    systemctl enable --quiet docker
    systemctl restart docker
    until_done 120 "Docker does not answer" is_running
    mv "$etc/engine-state.now" "$etc/engine-state"
}

is_running() { timeout 20 docker version --format '{{.Server.Version}}'; }

create() {
    step "found the swarm"
    docker swarm init --advertise-addr "$NODE_ADDRESS:2377" --listen-addr 0.0.0.0:2377 \
        --default-addr-pool "$ADDRESS_POOL" --default-addr-pool-mask-length "$SUBNET_SIZE" \
        --task-history-limit "$TASK_HISTORY" --availability "$AVAILABILITY" >/dev/null || fail "docker swarm init failed"
}

# The token is not on a command line, where everybody on the machine could read it.
join() {
    step "join the swarm"
    # shellcheck disable=SC2086 # a list of addresses
    remotes=$(printf '"%s:2377",' $MANAGERS)
    (
        umask 077
        printf '{"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "%s:2377", "RemoteAddrs": [%s], "JoinToken": "%s",
            "Availability": "%s"}' "$NODE_ADDRESS" "${remotes%,}" "$(cat "$etc/join-token")" "$AVAILABILITY" >"$etc/join"
    )
    trap 'rm -f "$etc/join"' EXIT
    code=$(curl --silent --max-time 120 --unix-socket "$root/var/run/docker.sock" --output "$etc/join-answer" \
        --write-out '%{http_code}' --header 'Content-Type: application/json' --data-binary "@$etc/join" \
        http://docker/swarm/join) || code=000
    case $code in
    200) ;;
    # It goes on in the background, or has joined already.
    503 | 000) ;;
    *) fail "the swarm refused this node: $(cut -c 1-300 "$etc/join-answer")" ;;
    esac
}

become_member() {
    case $(local_state) in
    active | pending) ;;
    locked) fail "the swarm is locked: unlock it with docker swarm unlock" ;;
    *)
        # An engine in the state `error` was removed from its swarm and cannot come back with its old identity.
        [ "$(local_state)" = inactive ] || timeout 60 docker swarm leave --force
        if [ -s "$etc/join-token" ]; then join; else create; fi
        ;;
    esac
    if [ "$MASTER" = yes ]; then
        until_done 300 "this manager has not joined" is_manager
    else
        until_done 300 "this node has not joined" is_active
    fi
}

is_active() {
    docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' | grep -x 'active ' || {
        docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
        return 1
    }
}

read_arguments
case $(argument part) in
'')
    mount_container_volume
    trust_extra_authorities docker
    install_engine
    certify_server
    configure_engine
    # The others share it when all of them know each other's addresses.
    [ -s "$etc/join-token" ] || share_address yes
    # Before tasks that need them can come.
    install_plugins
    become_member
    ;;
address)
    share_address no
    ;;
certificates)
    [ "$MASTER" = yes ] || exit 0
    is_member || fail "this node is not a member of its swarm"
    certify_server
    configure_engine
    as_manager 300
    ;;
*) fail "unknown part $(argument part)" ;;
esac
step "done"
