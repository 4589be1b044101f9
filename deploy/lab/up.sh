#!/bin/bash
# Bring up a real OpenStack on this machine's loopback, for `make test-openstack`.
#
# Keystone, Placement, Glance, Neutron, Nova (fake hypervisor) and Heat from Debian 12's own packages, with MariaDB,
# RabbitMQ and memcached, and a database of Magnum's; without systemd, containers or agents. Idempotent: run it again after down.sh or after a
# half-finished run, and it does what is missing. All state, configuration included, lives in one directory;
# outside it only the packages are installed.
#
#   deploy/lab/up.sh [DIRECTORY]        default /var/lib/jeroboam-lab
#
# Writes DIRECTORY/cloud.json (what the tests read) and DIRECTORY/clouds.yaml (for the openstack client).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB=${1:-/var/lib/jeroboam-lab}
. "$HERE/lib/common.sh"
. "$HERE/lib/packages.sh"
. "$HERE/lib/infrastructure.sh"
. "$HERE/lib/config.sh"
. "$HERE/lib/config-compute.sh"
. "$HERE/lib/databases.sh"
. "$HERE/lib/magnum.sh"
. "$HERE/lib/services.sh"

one_at_a_time
install_packages
require_free_ports
start_infrastructure
write_configuration
wait_for_mariadb
create_databases
phase "databases and configuration"

sync_keystone
start_keystone
sync_others & OTHERS=$!
trap 'wait "$OTHERS" 2>/dev/null || true' EXIT   # a run that fails leaves no migration behind
seed identity "$HERE/seed/identity.py" "$AUTH" "$PASSWORD" "$REGION"
phase "keystone, users, catalogue"
wait_for_rabbitmq
wait "$OTHERS" || fail "a schema could not be made; see $LOGS/db-*.log"
make_magnum_database
phase "schemas, rabbitmq"

start_services
wait_for_services
phase "services answer"
seed_always resources "$HERE/seed/resources.py" "$AUTH" "$PASSWORD" "$REGION" "$LAB" "$TRANSPORT" "$DB/magnum"
phase "images, flavors, network, key pairs; compute and engine report up"

cat <<X

OpenStack is up on loopback. Every password is "$PASSWORD"; logs in $LOGS.
  OS_CLIENT_CONFIG_FILE=$LAB/clouds.yaml openstack --os-cloud admin|alice|bob|jeroboam ...
  JEROBOAM_TEST_CLOUD=$LAB/cloud.json pytest -m openstack tests
X
