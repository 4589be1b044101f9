#!/bin/sh
# Downloads the packages of an upgrade without changing the node. Argument: version.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
read_arguments
version=$(argument version)
case $(dockerd --version) in "Docker version ${version:?}"[!0-9]*) exit 0 ;; esac
[ "$PACKAGES" = apt ] || fail "Docker is part of the image of this node: replace the node by one of another image"
step "download Docker $version"
until_done 600 "apt-get update" apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y --no-install-recommends --download-only --allow-change-held-packages -o DPkg::Lock::Timeout=300 \
    install "docker.io=$version*" || fail "Docker $version is not among the packages of the distribution"
