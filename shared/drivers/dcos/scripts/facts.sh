#!/bin/sh
# Prints the facts of this node as lines NAME=VALUE.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/functions.sh"
# shellcheck source=/dev/null
. "$etc/operator-api.sh"
described=$root/opt/mesosphere/etc/dcos-version.json
[ -f "$described" ] || exit 0
version=$(value /version <"$described" | LC_ALL=C tr -cd '0-9a-zA-Z.-')
[ -z "$version" ] || echo "dcos_version=$version"
