#!/bin/bash
# Start the containers of deploy/ with the simulated cloud, and do the main job through the published port: create a
# cluster, get its credentials, delete it. KEEP=1 leaves the containers running; otherwise they and their data go.
#
# With JEROBOAM_IMAGE set, that image is used as it is; otherwise it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.venv/bin:$PATH"
say() { printf '\n%s\n' "$*"; }
compose() { docker compose -f deploy/docker-compose.yml "$@"; }
docker compose version >/dev/null || { echo "compose-demo: needs Docker with Compose 2.24 or newer" >&2; exit 1; }

work=$(mktemp -d)
finish() {
  status=$?
  rm -rf "$work"
  [ "$status" = 0 ] || compose logs --tail 30 api provisioner migrate >&2 || true
  if [ -z "${KEEP:-}" ]; then
    say "Stopping; KEEP=1 leaves the containers running"
    compose down --volumes --timeout 30
  fi
  exit "$status"
}
trap finish EXIT

if [ -z "${JEROBOAM_IMAGE:-}" ]; then
  say "Building the image"
  compose build --quiet
fi
say "Starting the containers"
compose up --detach --wait --wait-timeout 400 --quiet-pull
export OS_CLIENT_CONFIG_FILE="$PWD/deploy/out/clouds.yaml" OS_CLOUD=jeroboam
if ! openstack coe cluster template show k8s >/dev/null 2>&1; then
  say "Creating a template"
  openstack coe cluster template create k8s --coe kubernetes --image ubuntu-24.04 --external-network public \
    --flavor m1.small --master-flavor m1.small --master-lb-enabled --floating-ip-disabled
fi
say "Creating a cluster of 3 masters and 5 workers"
jeroboam cluster create compose-demo --cluster-template k8s --master-count 3 --node-count 5 --wait
openstack coe cluster show compose-demo -c name -c status -c node_addresses
say "Credentials"
jeroboam cluster config compose-demo --dir "$work"
grep -E '^ *(server|current-context):' "$work/config"
say "Delete"
jeroboam cluster delete compose-demo --wait
[ -z "$(openstack coe cluster list -f value -c name)" ]
[ -z "$(openstack server list -f value -c ID)" ]
echo "No cluster and no server is left."
[ -z "${KEEP:-}" ] || echo "The API is at http://127.0.0.1:${API_PORT:-9511}/v1; OS_CLIENT_CONFIG_FILE=$OS_CLIENT_CONFIG_FILE OS_CLOUD=jeroboam"
