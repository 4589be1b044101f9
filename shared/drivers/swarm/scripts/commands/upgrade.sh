#!/bin/sh
# Upgrades Docker on this node, which must be drained. It can be repeated at any time. Argument: version.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/swarm.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
read_arguments
version=$(argument version)
is_installed() { case $(dockerd --version) in "Docker version ${version:?}"[!0-9]*) ;; *) return 1 ;; esac; }
is_back() { [ "$(local_state)" = active ]; }

if ! is_installed; then
    install "docker.io=$version*"
    is_installed || fail "the installed Docker is $(dockerd --version), not $version"
fi
# The package restarts the engine; it is restarted here as well if that did not happen.
case $(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null) in
"$version" | "$version"[!0-9]*) ;;
*) systemctl restart docker ;;
esac
until_done 300 "the node has not come back into the swarm" is_back
[ "$MASTER" != yes ] || as_manager 300
sed "s/^DOCKER_VERSION=.*/DOCKER_VERSION=$version/" "$etc/node.env" >"$etc/node.env.new"
chmod 0600 "$etc/node.env.new"
mv "$etc/node.env.new" "$etc/node.env"
step "done"
