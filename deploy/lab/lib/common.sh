# Names and places, and the life of a process. A pid file holds "PID STARTTIME": the start time guards against an id
# that was given to another process since.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV http_proxy https_proxy HTTP_PROXY HTTPS_PROXY || true

umask 022
STARTED=$SECONDS
phase() { printf '[%4d s] %s\n' $((SECONDS - STARTED)) "$1"; }
fail() { echo "$1" >&2; exit 1; }
require_root() { [ "$(id -u)" = 0 ] || fail "the laboratory needs root: it installs Debian packages and starts services as their own users"; }

# Everything below $LAB is written and run as root, and the processes its pid files name are ended: only root may be able
# to write to it, or to rename a directory above it.
require_private_directory() {
  local place=$LAB owner mode
  while :; do
    read -r owner mode < <(stat -c '%u %a' "$place")
    [ "$owner" = 0 ] || fail "$place does not belong to root: choose another directory for the laboratory"
    # A directory above it may be sticky, as /tmp is: there only an entry's owner may rename it.
    if ((8#$mode & 8#022)) && { [ "$place" = "$LAB" ] || ! ((8#$mode & 8#1000)); }; then
      fail "$place can be written to by others than root: choose another directory for the laboratory"
    fi
    [ "$place" != / ] || break
    place=$(dirname "$place")
  done
}

require_root
mkdir -p "$LAB"
[ ! -L "$LAB" ] || fail "$LAB is a symbolic link; name the directory itself"
LAB=$(cd "$LAB" && pwd -P)
require_private_directory
LOGS=$LAB/logs RUN=$LAB/run STATE=$LAB/state ETC=$LAB/etc
PASSWORD=laboratory       # everybody's; everything listens on loopback only
REGION=RegionOne
MARIADB_PORT=13306 MEMCACHED_PORT=21211 RABBIT_PORT=15670 RABBIT_DIST_PORT=15671 EPMD_PORT=14369
DB="mysql+pymysql://lab:$PASSWORD@127.0.0.1:$MARIADB_PORT"
TRANSPORT="rabbit://lab:$PASSWORD@127.0.0.1:$RABBIT_PORT/"
AUTH=http://127.0.0.1:5000/v3
mkdir -p "$LOGS" "$RUN" "$STATE" "$ETC"
chmod 755 "$LAB"

one_at_a_time() { exec 9>"$LAB/lock"; flock -n 9 || fail "another run works in $LAB"; }

have() { [ -e "$STATE/$1" ]; }
mark() { : >"$STATE/$1"; }

start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() {
  local pid since
  [ -s "$RUN/$1.pid" ] || return 1
  read -r pid since <"$RUN/$1.pid"
  [ -n "$since" ] && [ "$(start_time "$pid")" = "$since" ]
}

# start NAME COMMAND...: in a session of its own, log in $LOGS/NAME.log; nothing when it runs already
start() {
  local name=$1 pid
  shift
  alive "$name" && return 0
  ( exec 9>&-; exec setsid "$@" >>"$LOGS/$name.log" 2>&1 </dev/null ) &
  pid=$!
  sleep 0.05
  echo "$pid $(start_time $pid)" >"$RUN/$name.pid"
}

# stop NAME...: all at once by SIGTERM to their sessions, after 20 s by SIGKILL
stop() {
  local name pid since i
  local -a left=() still
  for name in "$@"; do
    if alive "$name"; then
      read -r pid since <"$RUN/$name.pid"
      kill -TERM -- "-$pid" 2>/dev/null || true
      left+=("$name")
    else
      rm -f "$RUN/$name.pid"
    fi
  done
  for ((i = 0; i < 200 && ${#left[@]} > 0; i++)); do
    still=()
    for name in "${left[@]}"; do if alive "$name"; then still+=("$name"); fi; done
    left=("${still[@]}")
    sleep 0.1
  done
  for name in "${left[@]}"; do echo "$name did not stop by itself and is killed"; done
  for name in "$@"; do
    [ -s "$RUN/$name.pid" ] || continue
    read -r pid since <"$RUN/$name.pid"
    # The leader may be gone before its children are; nobody else can have this process group while they live.
    kill -KILL -- "-$pid" 2>/dev/null || true
    rm -f "$RUN/$name.pid"
  done
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

died() { tail -20 "$LOGS/$1.log" >&2; fail "$1 has died; its log is $LOGS/$1.log"; }

wait_port() { # NAME PORT SECONDS
  local i
  for ((i = 0; i < $3 * 10; i++)); do
    port_open "$2" && return 0
    alive "$1" || died "$1"
    sleep 0.1
  done
  fail "$1: nothing listens on port $2 after $3 s"
}

wait_http() { # NAME URL SECONDS: until any answer below 500
  local i code=000
  for ((i = 0; i < $3 * 4; i++)); do
    code=$(curl -s -o /dev/null -m 5 -w '%{http_code}' "$2" || true)
    [ "$code" != 000 ] && [ "$code" -lt 500 ] && return 0
    alive "$1" || died "$1"
    sleep 0.25
  done
  fail "$1: no answer from $2 after $3 s (last status: $code)"
}
