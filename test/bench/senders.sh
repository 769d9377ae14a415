#!/usr/bin/env bash
# Sixteen connections send into one room for a minute, every tenth transaction
# is rolled back, and a poller reads the line as it grows. Afterwards the line
# must be contiguous, in the order of commits, and the poller must never have
# seen number N+1 before N. Exit status 1 where that is not so. The last line
# is JSON.
#
#   senders.sh URL [SECONDS [SENDERS]]    URL of a superuser of a throw-away
#                                         database with the extension
#
# Commit order is taken from track_commit_timestamp where it is on.
set -euo pipefail
url=$1
seconds=${2:-60}
senders=${3:-16}
bin=${TASKCHAT_PG_BIN:-$("${PG_CONFIG:-pg_config}" --bindir)}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
room=senders-$$

sql() {
  "$bin/psql" "$url" -qXAt -v ON_ERROR_STOP=1 "$@"
}

sql >/dev/null <<SQL
SET client_min_messages = warning;
DROP TABLE IF EXISTS polled;
CREATE UNLOGGED TABLE polled (n bigint GENERATED ALWAYS AS IDENTITY, seq bigint);
SELECT taskchat.open_room('$room', 'creator');
SELECT taskchat.add_member('$room', 'sender-' || n) FROM generate_series(0, $senders - 1) AS n;
SQL

# Client :client_id sends, and takes back one of ten.
cat >"$dir/send" <<SQL
\\set lost random(1, 10)
BEGIN;
SELECT taskchat.act_as('sender-' || :client_id);
SELECT seq FROM taskchat.send_message('$room', 'hello', client_msg_id => txid_current()::text);
\\if :lost = 1
ROLLBACK;
\\else
COMMIT;
\\endif
SQL

# Reads what the line has after what was read last, in new snapshots all the time.
cat >"$dir/poll.sql" <<SQL
DO \$\$
DECLARE
	last bigint := 0;
	until timestamptz := clock_timestamp() + interval '$seconds seconds';
BEGIN
	WHILE clock_timestamp() < until + interval '2 seconds' LOOP
		WITH new AS (
			INSERT INTO polled (seq)
			SELECT l.seq FROM taskchat.task_rooms r, LATERAL taskchat.room_line(r.room_id, last, 1000) l
			WHERE r.task_id = '$room' ORDER BY l.seq RETURNING seq)
		SELECT coalesce(max(seq), last) INTO last FROM new;
		COMMIT;
	END LOOP;
END \$\$;
SQL
sql -f "$dir/poll.sql" &
poller=$!
"$bin/pgbench" "$url" -n -M prepared -c "$senders" -j 2 -T "$seconds" -f "$dir/send" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
wait "$poller"

sql -v room="$room" -v seconds="$seconds" -v clients="$senders" >"$dir/result" <<'SQL'
SELECT room_id AS id, last_seq AS last FROM taskchat.task_rooms WHERE task_id = :'room' \gset
CREATE TEMP TABLE line AS
	SELECT seq, xmin AS xid FROM taskchat.task_messages WHERE room_id = :id UNION ALL SELECT seq, xmin FROM taskchat.task_events WHERE room_id = :id;
SELECT count(*) AS numbers, :last - count(DISTINCT seq) + count(*) - count(DISTINCT seq) AS gaps FROM line \gset
SELECT current_setting('track_commit_timestamp')::bool AS tracked \gset
\if :tracked
SELECT count(*) AS disorder FROM (SELECT pg_xact_commit_timestamp(xid) AS at, lag(pg_xact_commit_timestamp(xid)) OVER (ORDER BY seq) AS before FROM line) AS l WHERE at < before \gset
\else
\set disorder null
\endif
SELECT count(*) AS early FROM (SELECT seq, lag(seq, 1, 0::bigint) OVER (ORDER BY n) AS before FROM polled) AS p WHERE seq <> before + 1 \gset
SELECT count(*) AS seen FROM polled \gset
\echo {"benchmark":"senders","seconds"::seconds,"senders"::clients,"numbers"::numbers,"gaps"::gaps,"out_of_commit_order"::disorder,"polled"::seen,"seen_before_their_predecessor"::early}
DROP TABLE polled;
SQL
cat "$dir/result"
grep -q '"gaps":0,"out_of_commit_order":\(0\|null\),.*"seen_before_their_predecessor":0}' "$dir/result"
