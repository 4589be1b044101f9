# Schemas, each made once. Keystone's first, because everything else waits for it.
create_databases() {
  have databases && return 0
  {
    for name in keystone placement glance nova nova_api nova_cell0 neutron heat; do
      echo "CREATE DATABASE IF NOT EXISTS $name;"
    done
    echo "CREATE USER IF NOT EXISTS 'lab'@'127.0.0.1' IDENTIFIED BY '$PASSWORD';"
    echo "GRANT ALL ON *.* TO 'lab'@'127.0.0.1';"
  } | mariadb -S "$LAB/mysql/mysql.sock"
  mark databases
}

# once NAME COMMAND...: with its log in $LOGS/db-NAME.log
once() {
  local name=$1
  shift
  have "db-$name" && return 0
  "$@" >>"$LOGS/db-$name.log" 2>&1 9>&- || { tail -5 "$LOGS/db-$name.log" >&2; return 1; }
  mark "db-$name"
}

sync_keystone() {
  local manage="keystone-manage --config-file $ETC/keystone.conf"
  mkdir -p "$LAB"/keystone/{fernet-keys,credential-keys}
  chmod 700 "$LAB"/keystone/*-keys
  once keystone bash -ec "$manage fernet_setup --keystone-user root --keystone-group root
    $manage credential_setup --keystone-user root --keystone-group root
    $manage db_sync"
  once bootstrap $manage bootstrap --bootstrap-password "$PASSWORD" --bootstrap-username admin \
    --bootstrap-project-name admin --bootstrap-role-name admin --bootstrap-service-name keystone \
    --bootstrap-region-id "$REGION" --bootstrap-public-url "$AUTH" --bootstrap-internal-url "$AUTH" \
    --bootstrap-admin-url "$AUTH"
}

# Two lanes, for two cores.
sync_others() {
  exec 9>&-
  {
    once neutron neutron-db-manage --config-file "$ETC/neutron.conf" --config-file "$ETC/ml2_conf.ini" upgrade head &&
      once placement placement-manage --config-file "$ETC/placement/placement.conf" db sync
  } &
  local lane=$!
  once nova sync_nova &&
    once heat heat-manage --config-file "$ETC/heat.conf" db_sync &&
    once glance glance-manage --config-file "$ETC/glance-api.conf" db_sync || { wait "$lane"; return 1; }
  wait "$lane"
}

sync_nova() {
  local manage="nova-manage --config-file $ETC/nova/nova.conf"
  $manage api_db sync && $manage cell_v2 map_cell0 --database_connection "$DB/nova_cell0" && $manage db sync || return 1
  $manage cell_v2 list_cells | grep -q cell1 ||
    $manage cell_v2 create_cell --name cell1 --database_connection "$DB/nova" --transport-url "$TRANSPORT"
}
