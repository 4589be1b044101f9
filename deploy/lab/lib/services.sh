# The services' processes. APIs run under uwsgi, except those whose packages only know eventlet.
# wsgi NAME PORT SCRIPT PROCESSES THREADS [VARIABLE=VALUE] [-- UWSGI ARGUMENTS...]
wsgi() {
  local name=$1 port=$2 script=$3 processes=$4 threads=$5 setting=$6
  shift 6
  # Without "Connection: close" a client that reuses a connection is now and then reset (uwsgi's http-socket).
  start "$name" env "$setting" uwsgi --plugin python3 --http-socket "127.0.0.1:$port" --wsgi-file "$script" \
    --master --processes "$processes" --threads "$threads" --enable-threads --lazy-apps --thunder-lock \
    --need-app --die-on-term --no-orphans --listen 1024 --buffer-size 65535 --post-buffering 65536 \
    --add-header 'Connection: close' --disable-logging "$@"
}

start_keystone() {
  wsgi keystone 5000 /usr/bin/keystone-wsgi-public 2 8 "OS_KEYSTONE_CONFIG_FILES=$ETC/keystone.conf"
  wait_http keystone "$AUTH" 60
}

start_services() {
  local nova="--config-file $ETC/nova/nova.conf"
  wsgi placement 8778 /usr/bin/placement-api 1 8 "OS_PLACEMENT_CONFIG_DIR=$ETC/placement"
  start glance-api glance-api --config-file "$ETC/glance-api.conf"
  start neutron-server env "PYTHONPATH=$HERE/plugins:$ETC/plugins" neutron-server \
    --config-file "$ETC/neutron.conf" --config-file "$ETC/ml2_conf.ini"
  wsgi nova-api 8774 /usr/bin/nova-api-wsgi 2 1 "OS_NOVA_CONFIG_DIR=$ETC/nova"
  start nova-conductor nova-conductor $nova
  start nova-scheduler nova-scheduler $nova
  wsgi heat-api 8004 /usr/bin/heat-wsgi-api 2 1 LAB=1 --pyargv "--config-file $ETC/heat.conf"
  start heat-engine /usr/bin/python3 "$HERE/plugins/heat_engine.py" --config-file "$ETC/heat.conf"
  wait_http placement http://127.0.0.1:8778/ 120
  start nova-compute nova-compute $nova
}

wait_for_services() {
  wait_http glance-api http://127.0.0.1:9292/ 120
  wait_http neutron-server http://127.0.0.1:9696/ 180
  wait_http nova-api http://127.0.0.1:8774/ 180
  wait_http heat-api http://127.0.0.1:8004/ 180
}

# seed NAME SCRIPT ARGUMENTS...: once; seed_always: at every start, because it also waits for what must be up
seed() {
  have "seed-$1" && return 0
  seed_always "$@"
  mark "seed-$1"
}

seed_always() {
  local name=$1
  shift
  /usr/bin/python3 "$@" >>"$LOGS/seed.log" 2>&1 9>&- || { tail -20 "$LOGS/seed.log" >&2; fail "seeding $name failed; see $LOGS/seed.log"; }
}
