#!/usr/bin/env bash
# A throw-away PostgreSQL cluster with taskchat in it, started from files that
# `make install DESTDIR=...` put aside; nothing of the system's is touched.
# It leaves the stopping to whoever started it.
#
#   cluster.sh start DIR     make the cluster in DIR (created, mode 0700), start
#                            it, make database taskchat with the extension;
#                            print DATABASE_URL of the superuser
#   cluster.sh stop DIR      stop it (the files stay)
#   cluster.sh url DIR USER  print the URL for another user
#   cluster.sh conf          print the lines that postgresql.conf needs
#
# PostgreSQL refuses to run as root: call this as an ordinary user.
#
# What `make check` and `make demo` set for everything they start, and what
# any test may rely on:
#
#   TASKCHAT_PG_BIN      directory of initdb, postgres, pg_ctl, psql
#   TASKCHAT_STAGE       the DESTDIR that the extension was installed into
#   TASKCHAT_RELAY       the relay's program (in tests: with ASan and UBSan)
#   TASKCHAT_DEMO_PAGE   the built demo page
#   TASKCHAT_CHROMIUM    the browser
#   TMPDIR               a directory that is removed after the run, however it
#                        ends, and whose name is short enough for sockets
#   TASKCHAT_RUN         marks every process of one run: what still has it in
#                        its environment at the end is stopped
#
# Without these the script uses PG_CONFIG (or /usr/lib/postgresql/15), and the
# extension must be installed in the system.
#
# The lines of postgresql.conf that make the staged files work (with the
# values of `pg_config --pkglibdir`):
#
#   extension_destdir = '$TASKCHAT_STAGE'
#   dynamic_library_path = '$TASKCHAT_STAGE$PKGLIBDIR:$libdir'
#
# and what a test cluster wants besides: see conf_lines below. initdb is given
# --locale=C.UTF-8 --encoding=UTF8 --auth=trust --username=postgres; trust is
# safe because the only way in is a socket in a directory of mode 0700.
set -euo pipefail

pg_bin=${TASKCHAT_PG_BIN:-$("${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}" --bindir)}

conf_lines() {
  if [ -n "${TASKCHAT_STAGE:-}" ]; then
    echo "extension_destdir = '$TASKCHAT_STAGE'"
    echo "dynamic_library_path = '$TASKCHAT_STAGE$("$pg_bin/pg_config" --pkglibdir):\$libdir'"
  fi
  cat <<'CONF'
fsync = off
max_connections = 60
shared_buffers = 32MB
max_prepared_transactions = 10
timezone = 'UTC'
log_timezone = 'UTC'
CONF
}

start() {
  local dir=$1
  mkdir -p -m 700 "$dir"
  dir=$(cd "$dir" && pwd)
  "$pg_bin/initdb" -D "$dir/data" --locale=C.UTF-8 --encoding=UTF8 --auth=trust \
    --username=postgres --no-sync --no-instructions >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; return 1; }
  {
    conf_lines
    echo "listen_addresses = ''"
    echo "unix_socket_directories = '$dir'"
    [ -z "${TASKCHAT_PG_CONF:-}" ] || cat "$TASKCHAT_PG_CONF"
  } >>"$dir/data/postgresql.conf"
  "$pg_bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w start >/dev/null ||
    { cat "$dir/server.log" >&2; return 1; }
  "$pg_bin/createdb" -h "$dir" -U postgres taskchat
  "$pg_bin/psql" -h "$dir" -U postgres -d taskchat -qX -v ON_ERROR_STOP=1 \
    -c 'CREATE EXTENSION taskchat'
  url "$dir" postgres
}

# The socket's directory is the URL's host, with its slashes written as %2F.
url() {
  echo "postgresql://$2@${1//\//%2F}/taskchat"
}

case "${1:-}" in
  start) start "$2" ;;
  stop) "$pg_bin/pg_ctl" -D "$2/data" -m fast -w stop >/dev/null ;;
  conf) conf_lines ;;
  url) url "$2" "${3:-postgres}" ;;
  *) sed -n '2,13p' "$0" >&2; exit 2 ;;
esac
