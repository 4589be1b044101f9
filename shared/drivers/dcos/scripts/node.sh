#!/bin/sh
# Makes this machine the bootstrap machine, a master or an agent of its DC/OS cluster.
#
# Rule: it can be interrupted at any point and repeated. An installation that was interrupted is removed and begun again,
# because DC/OS' installer refuses to run where it has run before. It ends when the node is part of the cluster, because
# Jeroboam's agent then reports that it has joined.
# shellcheck disable=SC2153,SC2154 # variables of node.env and operator-api.sh
set -eu
umask 022

root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/machine.sh"
# shellcheck source=/dev/null
. "$etc/trust.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
# shellcheck source=/dev/null
. "$etc/engine.sh"
# shellcheck source=/dev/null
. "$etc/agent.sh"
export LC_ALL=C

place=$root/var/lib/jeroboam-dcos
needs() {
    for name in "$@"; do
        command -v "$name" >/dev/null || fail "the image has no $name: use an image for DC/OS"
    done
}

# start_docker: Docker with the settings that came with this bootstrap; it reads them only when it starts.
start_docker() {
    cat "$root/etc/docker/daemon.json" "$root/etc/systemd/system/docker.service.d/proxy.conf" \
        >"$etc/docker.now" 2>/dev/null || :
    [ -f "$etc/docker.state" ] || : >"$etc/docker.state"
    systemctl daemon-reload
    systemctl enable --quiet --now docker
    cmp -s "$etc/docker.now" "$etc/docker.state" || systemctl restart docker
    mv "$etc/docker.now" "$etc/docker.state"
}

# fetch_generator: the generator of the label, with the template's proxies.
fetch_generator() {
    [ ! -f dcos_generate_config.sh ] || return 0
    step "fetch dcos_generate_config.sh"
    (
        [ -z "$DOWNLOAD_HTTP_PROXY" ] || export http_proxy="$DOWNLOAD_HTTP_PROXY"
        [ -z "$DOWNLOAD_HTTPS_PROXY" ] || export https_proxy="$DOWNLOAD_HTTPS_PROXY"
        curl --fail --silent --show-error --location --proto =http,https --proto-redir =http,https --retry 3 \
            --connect-timeout 20 --max-time 3600 --max-filesize 4294967296 --output generator.new "$GENERATOR_URL"
    ) || fail "dcos_generate_config.sh cannot be fetched; see label dcos_generate_config_url"
    if [ -n "$GENERATOR_SHA256" ]; then
        printf '%s  generator.new\n' "$GENERATOR_SHA256" | sha256sum --check --status ||
            fail "dcos_generate_config.sh is not what label dcos_generate_config_sha256 says"
    fi
    mv generator.new dcos_generate_config.sh
}

# generate: the installer of this cluster, unless it was generated from the same files.
generate() {
    mkdir -p genconf
    cp "$etc/genconf/config.yaml" "$etc/genconf/ip-detect" "$etc/genconf/ip-detect-public" genconf/
    cat genconf/config.yaml genconf/ip-detect genconf/ip-detect-public dcos_generate_config.sh | sha256sum >state.new
    [ ! -f genconf/serve/dcos_install.sh ] || ! cmp -s state.new state || return 0
    step "generate the installer"
    timeout 1800 bash dcos_generate_config.sh --genconf </dev/null >generate.log 2>&1 ||
        fail "dcos_generate_config.sh failed: $(why generate.log)"
    [ -f genconf/serve/dcos_install.sh ] || fail "dcos_generate_config.sh has generated no dcos_install.sh"
    mv state.new state
}

become_bootstrap() {
    needs docker curl
    start_docker
    mkdir -p "$place"
    cd "$place"
    fetch_generator
    generate
    step "serve the installer"
    docker rm --force jeroboam-dcos >/dev/null 2>&1 || :
    docker run --detach --name jeroboam-dcos --restart always --publish 80:80 \
        --volume "$place/genconf/serve:/usr/share/nginx/html:ro" "$NGINX_IMAGE" >/dev/null ||
        fail "$NGINX_IMAGE cannot be run; see label dcos_nginx_image"
    until_done 120 "the installer is not served" serves_files
}

# install_dcos ROLE: run the installer once.
install_dcos() {
    mkdir -p "$place"
    [ ! -f "$place/installed" ] || return 0
    start_docker
    if [ -e "$root/etc/mesosphere" ] || [ -e "$root/opt/mesosphere/etc" ]; then
        step "remove an installation that was interrupted"
        systemctl stop 'dcos*' || :
        rm -rf "$root/etc/mesosphere" "$root/opt/mesosphere" "$root"/etc/systemd/system/dcos* \
            "$root"/etc/systemd/system/multi-user.target.wants/dcos*
        systemctl daemon-reload
    fi
    step "install DC/OS as $1"
    curl --fail --silent --show-error --noproxy '*' --proto =http --connect-timeout 20 --max-time 300 \
        --output "$place/dcos_install.sh" "$BOOTSTRAP_URL/dcos_install.sh" ||
        fail "the installer cannot be fetched from $BOOTSTRAP_URL"
    (cd "$place" && timeout 1500 bash dcos_install.sh "$1" </dev/null) >"$place/install.log" 2>&1 ||
        fail "dcos_install.sh failed: $(grep -m 3 FAIL "$place/install.log" || why "$place/install.log")"
    touch "$place/installed"
}

# add_account: the service account of the cluster's users, by the IAM of this master, which asks nothing on loopback.
add_account() {
    code=$(curl --silent --noproxy '*' --max-time 20 --output "$scratch/account" --write-out '%{http_code}' \
        --request PUT --header 'Content-Type: application/json' --data-binary "@$etc/account.json" \
        "http://127.0.0.1:${IAM_PORT:-8101}/acs/api/v1/users/jeroboam") || code=000
    case $code in
    201 | 409) ;; # 409: another master has added it
    *)
        echo "the IAM answered $code"
        return 1
        ;;
    esac
}

become_master() {
    [ -z "$VIRTUAL_IP" ] || needs keepalived
    install_dcos master
    until_done 1500 "DC/OS does not work on this master" is_healthy
    [ "$AUTHENTICATED" = no ] || until_done 300 "the users' account was not added" add_account
    share_address no
}

become_agent() {
    mount_container_volume
    [ -f "$place/installed" ] || write_attributes
    install_dcos "$ROLE"
    # shellcheck source=/dev/null
    [ -f "$own/attributes.applied" ] || (. "$own/attributes.env" && echo "$MESOS_ATTRIBUTES") >"$own/attributes.applied"
    restart_if_changed
    until_done 1500 "DC/OS does not work on this agent" is_healthy
}

# restart_if_changed: the agent has the attributes of its nodegroup, also when the bootstrap is repeated.
restart_if_changed() {
    # shellcheck source=/dev/null
    wanted=$(. "$own/attributes.env" && echo "$MESOS_ATTRIBUTES")
    [ "$wanted" = "$(cat "$own/attributes.applied")" ] || restart_agent
}

needs curl
trust_extra_authorities docker
case $ROLE in
bootstrap) become_bootstrap ;;
master)
    needs bash docker tar xz unzip ipset
    become_master
    ;;
*)
    needs bash docker tar xz unzip ipset
    become_agent
    ;;
esac
step "done"
