#!/bin/bash
# Stop what up.sh started, by the process ids it wrote down, services before what they need.
#
#   deploy/lab/down.sh [--wipe] [DIRECTORY]     --wipe also removes the directory
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WIPE=
if [ "${1:-}" = --wipe ]; then WIPE=1; shift; fi
LAB=${1:-/var/lib/jeroboam-lab}
[ -d "$LAB/run" ] || { echo "nothing was started in $LAB"; exit 0; }
. "$HERE/lib/common.sh"

infrastructure="rabbitmq epmd memcached mariadb"
services=()
for file in "$RUN"/*.pid; do
  [ -e "$file" ] || continue
  name=$(basename "$file" .pid)
  case " $infrastructure " in *" $name "*) ;; *) services+=("$name") ;; esac
done
stop "${services[@]}"
stop rabbitmq memcached
stop mariadb epmd
[ -z "$WIPE" ] || rm -rf "$LAB"
echo stopped
