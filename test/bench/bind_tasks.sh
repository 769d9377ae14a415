#!/usr/bin/env bash
# What binding a table costs: the backfill of a million tasks, and statements
# over 100,000 rows with and without the binding, with the memory that each
# took. Prints a table; asserts nothing.
#
#   bind_tasks.sh URL [TASKS]    URL of a superuser of a throw-away database
#                                with the extension
set -euo pipefail
url=$1
tasks=${2:-1000000}
bin=${TASKCHAT_PG_BIN:-$("${PG_CONFIG:-pg_config}" --bindir)}

sql() {
  "$bin/psql" "$url" -qXAt -v ON_ERROR_STOP=1 "$@"
}

# Runs one statement in a session of its own: milliseconds, and the server's peak memory in MB.
cost() {
  local what=$1 statement=$2
  sql <<SQL | awk -v what="$what" '{printf "%-44s %9.0f ms %7.0f MB\n", what, $1, $2}'
SET client_min_messages = warning;
SELECT clock_timestamp() AS began \gset
$statement \g /dev/null
SELECT extract(epoch FROM clock_timestamp() - :'began') * 1000 || ' ' ||
  (SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\s+(\d+)')::int / 1024);
SQL
}

sql <<SQL
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS bench_bind CASCADE;
CREATE SCHEMA bench_bind;
CREATE TABLE bench_bind.tasks (id bigint PRIMARY KEY, creator_id text, status text DEFAULT 'open');
CREATE TABLE bench_bind.plain (LIKE bench_bind.tasks INCLUDING ALL);
INSERT INTO bench_bind.tasks SELECT i, 'user ' || i % 5000 FROM generate_series(1, $tasks) AS i;
INSERT INTO bench_bind.plain SELECT * FROM bench_bind.tasks;
SQL
cost "backfill of $tasks tasks" "SELECT taskchat.bind_tasks('bench_bind.tasks')"
for table in plain tasks; do
  cost "UPDATE of 100,000 rows, $table" "UPDATE bench_bind.$table SET status = 'done' WHERE id <= 100000"
  cost "100,000 savepoints, $table" "DO \$\$ BEGIN FOR i IN 1 .. 100000 LOOP BEGIN UPDATE bench_bind.$table SET status = 'x' WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$"
  cost "INSERT of 100,000 rows, $table" "INSERT INTO bench_bind.$table SELECT i, 'user ' || i % 5000 FROM generate_series($tasks + 1, $tasks + 100000) AS i"
  cost "DELETE of 100,000 rows, $table" "DELETE FROM bench_bind.$table WHERE id <= 100000"
done
sql <<SQL
SET client_min_messages = warning;
SELECT taskchat.unbind_tasks('bench_bind.tasks') \g /dev/null
DROP SCHEMA bench_bind CASCADE;
SQL
