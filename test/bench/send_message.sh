#!/usr/bin/env bash
# What one send_message() costs the server, in CPU time of its backend, against
# the bare prepared INSERT of the same row into a table with the same indexes,
# and against a PL/pgSQL function that does the same in the usual way.
#
#   send_message.sh URL [CALLS [ROUNDS]]    URL of a superuser of a throw-away
#                                           database with the extension
#
# Every call is a transaction of its own: BEGIN, act_as(), the call, COMMIT.
# "frame" is that without the call, and "net" has it subtracted, so that round
# trips count for nobody. The least of all rounds counts. The last line is JSON.
set -euo pipefail
url=$1
calls=${2:-10000}
rounds=${3:-3}
bin=${TASKCHAT_PG_BIN:-$("${PG_CONFIG:-pg_config}" --bindir)}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

sql() {
  "$bin/psql" "$url" -qXAt -v ON_ERROR_STOP=1 "$@"
}

sql <<'SQL'
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
SELECT taskchat.open_room('bench', 'ada'), taskchat.add_member('bench', 'ben') \g /dev/null

-- The bare row: no triggers, no checks, no counter.
CREATE TABLE bench.bare (LIKE taskchat.task_messages INCLUDING ALL);
CREATE SEQUENCE bench.seq CACHE 1000;
CREATE TABLE bench.cpu (t numeric);

-- The usual way to write it: everything that send_message() looks at, by SQL.
CREATE TABLE bench.room (LIKE taskchat.task_rooms INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE bench.member (LIKE taskchat.task_members INCLUDING ALL);
CREATE TABLE bench.message (LIKE taskchat.task_messages INCLUDING ALL);
INSERT INTO bench.room SELECT * FROM taskchat.task_rooms WHERE task_id = 'bench';
INSERT INTO bench.member SELECT * FROM taskchat.task_members WHERE task_id = 'bench';
CREATE FUNCTION bench.send_message(a_task text, a_content text, a_client_id text) RETURNS bench.message
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	me text := taskchat.current_user_id();
	member bench.member;
	room bench.room;
	result bench.message;
BEGIN
	IF me IS NULL THEN
		RAISE invalid_authorization_specification;
	END IF;
	IF a_content IS NULL OR octet_length(a_content) > 16384 OR a_content !~ '[^[:space:]]' THEN
		RAISE invalid_parameter_value;
	END IF;
	IF octet_length(a_client_id) > 128 THEN
		RAISE program_limit_exceeded;
	END IF;
	SELECT * INTO member FROM bench.member m WHERE m.user_id = me AND m.task_id = a_task AND m.applicant_id IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND OR member.role = 'observer' THEN
		RAISE insufficient_privilege;
	END IF;
	SELECT * INTO result FROM bench.message m WHERE m.task_id = a_task AND m.sender_id = me AND m.client_msg_id = a_client_id;
	IF FOUND THEN
		RETURN result;
	END IF;
	UPDATE bench.room r SET last_seq = last_seq + 1 WHERE r.room_id = member.room_id RETURNING * INTO room;
	IF room.status = 'closed' THEN
		RAISE object_not_in_prerequisite_state;
	END IF;
	INSERT INTO bench.message (id, room_id, task_id, applicant_id, seq, sender_id, content, created_at, client_msg_id)
		VALUES (gen_random_uuid(), room.room_id, room.task_id, room.applicant_id, room.last_seq, me, a_content, clock_timestamp(), a_client_id)
		RETURNING * INTO result;
	PERFORM pg_notify('bench_channel', 'r' || room.room_id);
	RETURN result;
END $$;
SQL

content='Shall I bring the ladder on Saturday, or is there one in the shed?'
count="\\if :i = 0 OR :i = :calls
INSERT INTO bench.cpu SELECT a[14]::numeric + a[15]::numeric FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') AS a;
\\endif"
{
  echo "${count//:calls/-1}"
  echo "\\set i :i + 1"
  echo "\\set n random(1, 9000000000000000000)"
  echo "BEGIN;"
  echo "SELECT taskchat.act_as('ada');"
} >"$dir/head"
write() {
  { cat "$dir/head"; cat; echo "COMMIT;"; echo "$count"; } >"$dir/$1"
}
write frame <<<"SELECT :n;"
write bare <<SQL
INSERT INTO bench.bare (id, room_id, task_id, applicant_id, seq, sender_id, message_type, content, file_url, created_at, is_system_message, client_msg_id, reply_to, metadata)
	VALUES (taskchat.uuid_v7(), 1, 'bench', NULL, nextval('bench.seq'), 'ada', 'text', '$content', NULL, clock_timestamp(), false, :n::text, NULL, NULL) RETURNING *;
SQL
write plpgsql <<SQL
SELECT bench.send_message('bench', '$content', :n::text);
SQL
write send <<SQL
SELECT taskchat.send_message('bench', '$content', client_msg_id => :n::text);
SQL

ticks=$(getconf CLK_TCK)

# Microseconds of CPU a call: the backend writes its own account down before
# the first and after the last call.
measure() {
  sql -c 'VACUUM taskchat.task_messages, taskchat.task_rooms, taskchat.task_members, bench.bare, bench.message, bench.room, bench.member' \
    -c CHECKPOINT -c 'TRUNCATE bench.cpu'
  "$bin/pgbench" "$url" -n -M prepared -c 1 -t "$calls" -D calls="$calls" -D i=0 -f "$dir/$1" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
  sql -c "SELECT round((max(t) - min(t)) / $ticks * 1e6 / $calls, 2) FROM bench.cpu"
}

sql -c 'ALTER SYSTEM SET autovacuum = off' -c 'SELECT pg_reload_conf()' >/dev/null
# The first round fills tables and caches, so that plans are those of a table in use.
for ((i = 0; i <= rounds; i++)); do
  for what in frame bare plpgsql send; do
    measure "$what" >>"$dir/$what.us"
  done
  if [ "$i" = 0 ]; then
    sql -c 'ANALYZE bench.message, bench.member, bench.room, bench.bare, taskchat.task_messages'
    rm "$dir"/*.us
  fi
done
sql -c 'ALTER SYSTEM RESET autovacuum' -c 'SELECT pg_reload_conf()' -c 'DROP SCHEMA bench CASCADE' >/dev/null 2>&1

least() {
  sort -n "$dir/$1.us" | head -n 1
}
awk -v f="$(least frame)" -v b="$(least bare)" -v p="$(least plpgsql)" -v s="$(least send)" -v n="$calls" -v r="$rounds" 'BEGIN {
  printf "microseconds of CPU a call   whole     net\n"
  printf "frame                     %8.1f\n", f
  printf "bare INSERT               %8.1f%8.1f\n", b, b - f
  printf "PL/pgSQL function         %8.1f%8.1f\n", p, p - f
  printf "send_message()            %8.1f%8.1f\n", s, s - f
  printf "send_message() : bare     %8.2f%8.2f\n", s / b, (s - f) / (b - f)
  printf "send_message() : PL/pgSQL %8.2f%8.2f\n", s / p, (s - f) / (p - f)
  printf "{\"benchmark\":\"send_message\",\"calls\":%d,\"rounds\":%d,\"frame_us\":%.2f,\"bare_us\":%.2f,\"plpgsql_us\":%.2f,\"send_us\":%.2f}\n", n, r, f, b, p, s
}'
