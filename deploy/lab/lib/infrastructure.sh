# MariaDB, memcached and RabbitMQ: own data directories and ports, durability off, loopback only.
start_infrastructure() {
  cat >"$ETC/my.cnf" <<X
[mariadbd]
user=mysql
datadir=$LAB/mysql
socket=$LAB/mysql/mysql.sock
pid-file=$LAB/mysql/mariadb.pid
bind-address=127.0.0.1
port=$MARIADB_PORT
skip-name-resolve
skip-log-bin
character-set-server=utf8mb3
collation-server=utf8mb3_general_ci
max_connections=1500
innodb_buffer_pool_size=512M
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
performance_schema=OFF
thread_cache_size=128
X
  if ! have mysql-installed; then
    rm -rf "$LAB/mysql"
    install -d -o mysql -g mysql "$LAB/mysql"
    mariadb-install-db --no-defaults --user=mysql --datadir="$LAB/mysql" --skip-test-db \
      --auth-root-authentication-method=socket >>"$LOGS/mariadb.log" 2>&1
    mark mysql-installed
  fi
  start mariadb mariadbd --defaults-file="$ETC/my.cnf"
  start memcached memcached -u memcache -l 127.0.0.1 -p "$MEMCACHED_PORT" -m 128 -c 4096
  start_rabbitmq
}

start_rabbitmq() {
  local home=$LAB/rabbit
  mkdir -p "$home/log" "$home/mnesia"
  echo '[].' >"$home/enabled_plugins"
  cat >"$home/rabbitmq.conf" <<X
listeners.tcp.1 = 127.0.0.1:$RABBIT_PORT
default_user = lab
default_pass = $PASSWORD
log.console = true
log.console.level = warning
disk_free_limit.absolute = 500MB
X
  chown -R rabbitmq:rabbitmq "$home"
  local -a as_rabbit=(env -i "PATH=$PATH" "HOME=$home" LANG=C.UTF-8
    RABBITMQ_NODENAME=jeroboam-lab@localhost "RABBITMQ_NODE_PORT=$RABBIT_PORT" "RABBITMQ_DIST_PORT=$RABBIT_DIST_PORT"
    "RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf" "RABBITMQ_MNESIA_BASE=$home/mnesia" "RABBITMQ_LOG_BASE=$home/log"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins" "RABBITMQ_PID_FILE=$home/pid"
    ERL_EPMD_ADDRESS=127.0.0.1 "ERL_EPMD_PORT=$EPMD_PORT"
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
    setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups)
  # Started by us and not by the node, so that it can be stopped by us.
  start epmd "${as_rabbit[@]}" epmd -address 127.0.0.1 -port "$EPMD_PORT"
  wait_port epmd "$EPMD_PORT" 10
  start rabbitmq "${as_rabbit[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server
}

wait_for_rabbitmq() { wait_port rabbitmq "$RABBIT_PORT" 90; }

wait_for_mariadb() {
  local i
  for ((i = 0; i < 300; i++)); do
    alive mariadb || died mariadb
    [ -S "$LAB/mysql/mysql.sock" ] && mariadb -S "$LAB/mysql/mysql.sock" -e 'select 1' >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  fail "MariaDB does not answer after 30 s; see $LOGS/mariadb.log"
}
