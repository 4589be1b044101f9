# Debian's packages. Nothing that installs may start a daemon: the laboratory starts its own, in its own directory.
PACKAGES="rabbitmq-server mariadb-server memcached curl
 keystone glance-api placement-api nova-api nova-conductor nova-scheduler nova-compute
 neutron-server heat-api heat-engine uwsgi-core uwsgi-plugin-python3
 magnum-common python3-pymysql python3-memcache python3-openstacksdk"

install_packages() {
  local package missing=() guard=
  for package in $PACKAGES; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "the laboratory needs Debian 12: apt-get is not here"
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    guard=1
  fi
  echo "dbconfig-common dbconfig-common/dbconfig-install boolean false" | debconf-set-selections || true
  apt_install "${missing[@]}" || { apt-get update >>"$LOGS/apt.log" 2>&1 && apt_install "${missing[@]}"; } || {
    [ -z "$guard" ] || rm -f /usr/sbin/policy-rc.d
    tail -20 "$LOGS/apt.log" >&2
    fail "packages could not be installed; see $LOGS/apt.log"
  }
  [ -z "$guard" ] || rm -f /usr/sbin/policy-rc.d
  phase "packages installed"
}

apt_install() {
  apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Options::=--force-unsafe-io "$@" </dev/null >>"$LOGS/apt.log" 2>&1
}

# name:port of everything that listens
LISTENERS="keystone:5000 placement:8778 glance-api:9292 neutron-server:9696 nova-api:8774 heat-api:8004
 mariadb:$MARIADB_PORT memcached:$MEMCACHED_PORT rabbitmq:$RABBIT_PORT epmd:$EPMD_PORT"

require_free_ports() {
  local entry
  for entry in $LISTENERS; do
    if ! alive "${entry%:*}" && port_open "${entry#*:}"; then
      fail "port ${entry#*:} on loopback is taken by something else (wanted for ${entry%:*}); is another OpenStack running?"
    fi
  done
}
