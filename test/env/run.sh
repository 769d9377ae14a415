# What `check` and `demo` share; sourced by both. A run has one directory,
# which holds all it makes outside the tree, and one mark (TASKCHAT_RUN) in
# the environment of all its processes. At the end, however it comes,
# end_run stops the marked processes and removes the directory; where the
# script itself is killed, watchdog.sh does that.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Nothing of the caller's own databases or relay may leak into the run.
for name in $(compgen -e); do
  case "$name" in
    PG_CONFIG | TASKCHAT_UNDER_MAKE) ;;
    PG* | TASKCHAT_* | DATABASE_URL) unset "$name" ;;
  esac
done
[ -n "${PG_CONFIG:-}" ] || PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
export PG_CONFIG LC_ALL=C.UTF-8

say() {
  printf 'taskchat: %s\n' "$*"
}

fail() {
  printf 'taskchat: %s\n' "$*" >&2
  exit 1
}

# Sets $run to a new directory and puts the watchdog beside this script.
begin_run() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap end_run EXIT
  run=$(mktemp -d "${TMPDIR:-/tmp}/taskchat.XXXXXX")
  [ ${#run} -le 60 ] || fail "the name of TMPDIR is too long for sockets: $TMPDIR"
  local parent=
  [ -z "${TASKCHAT_UNDER_MAKE:-}" ] || parent=$PPID
  setsid "$top/test/env/watchdog.sh" watch "$run" $$ $parent </dev/null >/dev/null 2>&1 &
  watchdog=$!
  mkdir "$run/log" "$run/t" "$run/home"
  export TASKCHAT_RUN=$run TMPDIR=$run/t
}

end_run() {
  local status=$?
  trap '' HUP INT TERM EXIT
  [ -z "${run:-}" ] || "$top/test/env/watchdog.sh" sweep "$run" $$
  [ -z "${watchdog:-}" ] || kill -KILL -- "-$watchdog" 2>/dev/null
  exit "$status"
}

# Runs a command in the background and waits, so that a signal to this script
# is answered at once and not after the command.
attend() {
  "$@" </dev/null &
  wait $!
}

# Builds belong to whoever owns the tree, also where root makes them.
as_owner() {
  local uid gid
  uid=$(stat -c %u "$top")
  gid=$(stat -c %g "$top")
  if [ "$(id -u)" = 0 ] && [ "$uid" != 0 ]; then
    setpriv --reuid="$uid" --regid="$gid" --clear-groups \
      env HOME="$(getent passwd "$uid" | cut -d: -f6)" "$@"
  else
    "$@"
  fi
}

# PostgreSQL and what talks to it never run as root.
unprivileged() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$run/home" "$@"
  else
    env HOME="$run/home" "$@"
  fi
}

# Gives the run's directory, with a copy of the built tree where the tree
# itself may be out of reach, to the unprivileged user. Sets $tree.
open_tree() {
  tree=$top
  if [ "$(id -u)" = 0 ]; then
    tree=$run/tree
    mkdir "$tree"
    tar -C "$top" --exclude=./.build -cf - . | tar -C "$tree" -xf -
    chown -R postgres:postgres "$run"
  fi
}

# Where npm's own Node.js was put in, it comes first.
use_local_node() {
  local bin=$top/.build/node/node_modules/node/bin
  [ ! -x "$bin/node" ] || PATH=$bin:$PATH
  export PATH
}
