#!/usr/bin/env bash
# The world of `make demo`: a cluster with sample data, the back end behind
# the page's buttons, the relay with the web page. Runs in the foreground as an
# unprivileged user and starts again whatever dies; its caller (test/demo)
# stops all of it and removes the files.
#
#   demo.sh PORT        with the environment that cluster.sh describes
set -euo pipefail
cd "$(dirname "$0")/../.."
port=$1
home=$TASKCHAT_RUN/demo
log=$TASKCHAT_RUN/log
task=fence-12
page=http://127.0.0.1:$port

fail() {
  echo "taskchat: $1" >&2
  tail -n 30 "$2" >&2
  exit 1
}

prepare() {
  mkdir -m 700 "$home"
  make with_llvm=no PG_CONFIG="$PG_CONFIG" DESTDIR="$TASKCHAT_STAGE" install >"$log/install.log" 2>&1 ||
    fail "make install failed" "$log/install.log"
  echo "taskchat.allowed_file_schemes = 'https,http'" >"$home/pg.conf"
  TASKCHAT_PG_CONF=$home/pg.conf test/env/cluster.sh start "$home/pg" >"$log/cluster.log" 2>&1 ||
    fail "the cluster did not start" "$log/cluster.log"
  "$TASKCHAT_PG_BIN/psql" -h "$home/pg" -U postgres -d taskchat -qX -v ON_ERROR_STOP=1 \
    -v photos="$page/photos/" -f test/env/demo.sql >"$log/sample.log" 2>&1 ||
    fail "the sample data were refused" "$log/sample.log"
  (umask 077 && node -p 'require("crypto").randomBytes(32).toString("hex")' >"$home/secret")
  read -r admin_port backend_port < <(node test/env/free-port.mjs 2 | tr '\n' ' ' && echo)
  cp -R "$TASKCHAT_DEMO_PAGE" "$home/www"
  mkdir "$home/www/uploads"
  read -r ada ben cleo dan < <(node test/env/token.mjs "$home/secret" ada,ben,cleo,dan 604800 | tr '\n' ' ' && echo)
  cat >"$home/www/demo.json" <<JSON
{
  "task_id": "$task",
  "task_title": "Paint the garden fence",
  "users": [
    { "user_id": "ada", "name": "Ada", "role": "creator", "token": "$ada" },
    { "user_id": "ben", "name": "Ben", "role": "worker", "token": "$ben" },
    { "user_id": "cleo", "name": "Cleo", "role": "applicant", "token": "$cleo" },
    { "user_id": "dan", "name": "Dan", "role": "applicant", "token": "$dan" }
  ],
  "api_url": "http://127.0.0.1:$backend_port"
}
JSON
  cat >"$home/taskchat-relay.conf" <<CONF
listen = 127.0.0.1:$port
admin_listen = 127.0.0.1:$admin_port
database = host=$home/pg user=demo_relay dbname=taskchat
web_root = $home/www
jwt_secret_file = $home/secret
drain_timeout = 1s
CONF
}

start_relay() {
  "$TASKCHAT_RELAY" -c "$home/taskchat-relay.conf" >>"$log/relay.log" 2>&1 &
  relay=$!
}

start_backend() {
  DATABASE_URL=$(test/env/cluster.sh url "$home/pg" demo_backend) PORT=$backend_port \
    UPLOAD_DIR=$home/www/uploads UPLOAD_URL=$page/uploads \
    ALLOWED_ORIGIN=$page,http://localhost:$port node relay/web/demo/backend.mjs >>"$log/backend.log" 2>&1 &
  backend=$!
}

# Up to 20 seconds.
wait_ready() {
  local i
  for ((i = 0; i < 100; i++)); do
    kill -0 "$relay" 2>/dev/null || fail "the relay ended" "$log/relay.log"
    kill -0 "$backend" 2>/dev/null || fail "the demo's back end ended" "$log/backend.log"
    if node -e 'fetch(process.argv[1]).then((r) => process.exit(r.status === 200 ? 0 : 1), () => process.exit(1))' \
      "$page/readyz"; then
      return
    fi
    sleep 0.2
  done
  fail "the relay did not get ready" "$log/relay.log"
}

# Whatever dies is started again, unless it cannot live at all.
supervise() {
  local began=$SECONDS deaths=0
  while :; do
    wait -n "$relay" "$backend" || :
    deaths=$((deaths + 1))
    if ((SECONDS - began > 30)); then
      began=$SECONDS
      deaths=1
    fi
    ((deaths <= 10)) || fail "the relay or the back end ends again and again" "$log/relay.log"
    sleep 0.5
    if ! kill -0 "$relay" 2>/dev/null; then
      echo "taskchat: the relay ended; starting it again"
      start_relay
    fi
    kill -0 "$backend" 2>/dev/null || start_backend
  done
}

prepare
start_backend
start_relay
wait_ready
echo "taskchat demo ready: $page/"
echo
echo "task:              $task"
echo "token of Ada:      $ada"
echo "token of Ben:      $ben"
echo "token of Cleo:     $cleo"
echo "database:          $(test/env/cluster.sh url "$home/pg" postgres)"
echo "relay's process:   $relay (kill -9 it: the page resumes)"
echo "health, metrics:   http://127.0.0.1:$admin_port/metrics"
echo
echo "Ctrl-C ends the demo and removes everything."
supervise
