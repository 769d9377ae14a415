#!/usr/bin/env bash
# A page of history (50 messages) of a room of 500,000 messages among 2.5
# million: by get_messages() and by a plain SELECT under row-level security, for
# a member, and the refusal of a stranger. Prints times within the server and
# buffers touched; the last line is JSON.
#
#   history.sh URL [MESSAGES]    URL of a superuser of a throw-away database
#                                with the extension; filled on the first run
set -euo pipefail
url=$1
total=${2:-2500000}
bin=${TASKCHAT_PG_BIN:-$("${PG_CONFIG:-pg_config}" --bindir)}

sql() {
  "$bin/psql" "$url" -qXAt -v ON_ERROR_STOP=1 "$@"
}

# Rows that come complete from a superuser are stored as they are, as in a restore.
fill() {
  sql -v total="$total" <<'SQL'
SET client_min_messages = warning;
SET synchronous_commit = off;
DROP INDEX taskchat.task_messages_search;
INSERT INTO taskchat.task_rooms (task_id, first_seq, last_seq)
	SELECT 'history-' || n, 1, CASE n WHEN 0 THEN :total / 5 ELSE :total / 2500 END FROM generate_series(0, 2000) AS n;
INSERT INTO taskchat.task_members (room_id, user_id, task_id, role, joined_seq)
	SELECT r.room_id, u.id, r.task_id, u.role, 0 FROM taskchat.task_rooms r,
	LATERAL (VALUES ('hc' || r.room_id % 200, 'creator'), ('hw' || r.room_id % 300, 'worker'), ('ada-of-' || r.task_id, 'observer')) AS u (id, role)
	WHERE r.task_id LIKE 'history-%';
INSERT INTO taskchat.task_messages (id, room_id, task_id, seq, sender_id, content, created_at)
	SELECT taskchat.uuid_v7(), r.room_id, r.task_id, n, 'hc' || r.room_id % 200, 'message number ' || n || ' of ' || r.task_id,
		clock_timestamp() - (r.last_seq - n) * interval '1 minute'
	FROM taskchat.task_rooms r, generate_series(1, r.last_seq) AS n WHERE r.task_id LIKE 'history-%';
CREATE INDEX task_messages_search ON taskchat.task_messages USING gin (to_tsvector('pg_catalog.simple'::regconfig, content))
	WITH (gin_pending_list_limit = 256);
SQL
  sql -c 'VACUUM ANALYZE taskchat.task_messages' -c 'VACUUM ANALYZE taskchat.task_rooms' -c 'VACUUM ANALYZE taskchat.task_members'
}

sql -c "SELECT 1 FROM taskchat.task_rooms WHERE task_id = 'history-0'" | grep -q 1 || fill

# Median of 200 calls in microseconds, inside one session with warm plans.
sql <<'SQL'
BEGIN;
CREATE SCHEMA bench;
CREATE FUNCTION bench.median_us(who text, statement text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	times double precision[];
	began timestamptz;
BEGIN
	PERFORM taskchat.act_as(who);
	FOR i IN 1 .. 220 LOOP
		began := clock_timestamp();
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN insufficient_privilege THEN NULL;
		END;
		IF i > 20 THEN
			times := times || extract(epoch FROM clock_timestamp() - began) * 1e6;
		END IF;
	END LOOP;
	PERFORM taskchat.act_as(NULL);
	RETURN percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) AS t;
END $$;
GRANT EXECUTE ON FUNCTION taskchat.act_as(text) TO taskchat_user;
GRANT USAGE ON SCHEMA bench TO taskchat_user;
SELECT room_id AS room FROM taskchat.task_rooms WHERE task_id = 'history-0' \gset
SELECT format('SELECT * FROM taskchat.task_messages WHERE room_id = %s AND seq < 400000 ORDER BY seq DESC LIMIT 50', :room) AS rls \gset
SELECT format('SELECT * FROM taskchat.task_messages WHERE task_id = %L ORDER BY seq DESC LIMIT 50', 'history-0') AS by_task \gset
\set page 'SELECT * FROM taskchat.get_messages(''history-0'', before_seq => 400000)'
SET LOCAL ROLE taskchat_user;
SELECT bench.median_us('ada-of-history-0', :'page') AS member_function,
	bench.median_us('stranger', :'page') AS stranger_function \gset
SELECT bench.median_us('ada-of-history-0', :'rls') AS member_select, bench.median_us('stranger', :'rls') AS stranger_select,
	bench.median_us('hc1', :'rls') AS busy_select, bench.median_us('stranger', :'by_task') AS stranger_walk \gset
SELECT taskchat.act_as('ada-of-history-0') \g /dev/null
\echo -- a member, by SELECT
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) :rls;
SELECT taskchat.act_as('stranger') \g /dev/null
\echo -- a stranger, by SELECT
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) :rls;
ROLLBACK;
\echo microseconds: member get_messages() :member_function, SELECT :member_select; member of many rooms SELECT :busy_select; stranger get_messages() :stranger_function, SELECT :stranger_select, by task :stranger_walk
\echo {"benchmark":"history","member_function_us"::member_function,"member_select_us"::member_select,"stranger_function_us"::stranger_function,"stranger_select_us"::stranger_select}
SQL
